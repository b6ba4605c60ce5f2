/**
 * Which paths somebody may have meant who named one that doesn't exist.
 *
 * Candidates are the children of the last node that does exist, and the nodes anywhere in the model that end in the same
 * name. Both searches stop after a fixed number of nodes, so that a mistyped path costs the same in a tree of a million.
 * Among more siblings than that, the names one edit away are still found, because they can be looked up.
 */
import { distance } from 'fastest-levenshtein';
import { isWithin } from './shape.js';
import { pathOf, type TreeNode, type TreeView } from './tree-node.js';

const MAX_VISITED = 1000;
const MAX_SUGGESTIONS = 3;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789._-';

/** `names`: the path that was asked for, model first. `within`: the node at and below which suggestions may lie. */
export function nearestPaths(tree: TreeView, names: readonly string[], within: string | null = null): string[] {
  const depth = deepestExisting(tree, names);
  const candidates = new Set<string>();
  for (const name of depth === 0 ? modelNames(tree) : siblings(tree, names.slice(0, depth), names[depth] ?? '')) {
    const there = [...names.slice(0, depth), name, ...names.slice(depth + 1)];
    // What follows the near name is kept as far as it exists.
    candidates.add(there.slice(0, deepestExisting(tree, there)).join('/'));
  }
  for (const path of endingIn(tree, names, within)) candidates.add(path);

  const limit = Math.max(2, Math.floor(names.slice(depth).join('/').length / 3));
  return [...candidates]
    .map((path) => ({ path, edits: editsBetween(path, names) }))
    .filter(({ edits, path }) => edits <= limit && mayName(tree, path, within))
    .sort((a, b) => a.edits - b.edits || b.path.length - a.path.length || a.path.localeCompare(b.path))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ path }) => path);
}

/** Over as many names as the candidate has; a path that ends in the very name that was asked for is always near. */
function editsBetween(path: string, names: readonly string[]): number {
  const edits = distance(path, names.slice(0, path.split('/').length).join('/'));
  return path.endsWith(`/${names.at(-1) ?? ''}`) ? Math.min(edits, 1) : edits;
}

function* modelNames(tree: TreeView): Generator<string> {
  for (const { name } of take(tree.models(), MAX_VISITED)) yield name;
}

function siblings(tree: TreeView, parent: readonly string[], wanted: string): string[] {
  const node = nodeAt(tree, parent);
  if (!node) return [];
  const { id } = node;
  if (tree.childCount(id) > MAX_VISITED) return [...oneEditAway(wanted)].filter((name) => tree.childOf(node, name));
  const names: string[] = [];
  tree.visitChildren(id, (child) => {
    names.push(child.name);
    return false;
  });
  return names;
}

/** After Norvig, https://norvig.com/spell-correct.html: deletions, swaps, replacements, insertions. */
function* oneEditAway(word: string): Generator<string> {
  for (let i = 0; i <= word.length; i++) {
    const before = word.slice(0, i);
    const after = word.slice(i);
    if (after !== '') yield before + after.slice(1);
    if (after.length > 1) yield before + after.charAt(1) + after.charAt(0) + after.slice(2);
    for (const letter of ALPHABET) {
      if (after !== '') yield before + letter + after.slice(1);
      yield before + letter + after;
    }
  }
}

/** Paths of nodes, near the root first, that end in the last of `names`. */
function endingIn(tree: TreeView, names: readonly string[], within: string | null): string[] {
  const leaf = names.at(-1) ?? '';
  const found: string[] = [];
  const named = tree.model(names[0] ?? '');
  const models = named ? [named] : [...take(tree.models(), MAX_VISITED)];
  const starts = within === null ? models.map((model) => model.rootNodeId) : [within];
  const queue = starts.map((id) => tree.treeNode(id)).filter((start) => start !== undefined);
  for (let i = 0; i < queue.length && queue.length < MAX_VISITED && found.length < MAX_SUGGESTIONS; i++) {
    const node = queue[i] as TreeNode;
    const match = tree.childOf(node, leaf);
    if (match) found.push(pathOf(match));
    // Even to begin listing very many children takes long.
    if (tree.childCount(node.id) > MAX_VISITED) continue;
    tree.visitChildren(node.id, (child) => queue.push(child) >= MAX_VISITED);
  }
  return found;
}

function mayName(tree: TreeView, path: string, within: string | null): boolean {
  if (within === null) return true;
  const node = nodeAt(tree, path.split('/'));
  return node !== undefined && isWithin(node, within);
}

/** How many of `names` name something that exists. */
function deepestExisting(tree: TreeView, names: readonly string[]): number {
  let depth = 0;
  while (depth < names.length && nodeAt(tree, names.slice(0, depth + 1))) depth++;
  return depth;
}

function nodeAt(tree: TreeView, names: readonly string[]): TreeNode | undefined {
  const model = tree.model(names[0] ?? '');
  let node = model && tree.treeNode(model.rootNodeId);
  for (let i = 1; node && i < names.length; i++) node = tree.childOf(node, names[i] ?? '');
  return node;
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const item of items) {
    if (taken++ >= count) return;
    yield item;
  }
}
