/**
 * Which paths somebody may have meant who named one that doesn't exist.
 *
 * Candidates are the children of the last node that does exist, and the nodes anywhere in the model that end in the same
 * name. Both searches stop after a fixed number of nodes, so that a mistyped path costs the same in a tree of a million.
 * Among more siblings than that, the names one edit away are still found, because they can be looked up.
 */
import { distance } from 'fastest-levenshtein';
import type { TreeNode, TreeView } from './tree-view.js';

const MAX_VISITED = 1000;
const MAX_SUGGESTIONS = 3;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789._-';

/** `names`: the path that was asked for, model first. */
export function nearestPaths(tree: TreeView, names: readonly string[]): string[] {
  const wanted = names.join('/');
  const candidates = new Set<string>();

  const depth = deepestExisting(tree, names);
  if (depth === 0) {
    for (const model of take(tree.models(), MAX_VISITED)) candidates.add([model.name, ...names.slice(1)].join('/'));
  } else {
    const parent = nodeAt(tree, names.slice(0, depth));
    const prefix = names.slice(0, depth).join('/');
    const rest = names.slice(depth + 1);
    for (const sibling of parent ? siblings(tree, parent, names[depth] ?? '') : []) {
      candidates.add([prefix, sibling, ...rest].join('/'));
    }
  }
  for (const path of endingIn(tree, names)) candidates.add(path);

  // Only what exists is suggested: what follows a near sibling is kept as far as it is there.
  const existing = new Set([...candidates].map((path) => longestExisting(tree, path)));
  const limit = Math.max(2, Math.floor(wanted.length * 0.4));
  return [...existing]
    .filter((path) => path !== '')
    .map((path) => ({ path, score: scoreOf(path, wanted, names.at(-1) ?? '') }))
    .filter(({ score }) => score <= limit)
    .sort((a, b) => a.score - b.score || a.path.localeCompare(b.path))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ path }) => path);
}

/** Edits, but a path that ends in the very name asked for is always near. */
function scoreOf(path: string, wanted: string, leaf: string): number {
  const edits = distance(path, wanted);
  return path.endsWith(`/${leaf}`) ? Math.min(edits, 1) : edits;
}

function siblings(tree: TreeView, parent: TreeNode, wanted: string): string[] {
  const id = parent.record.id;
  if (tree.childCount(id) > MAX_VISITED) return [...oneEditAway(wanted)].filter((name) => tree.child(id, name));
  const names: string[] = [];
  tree.visitChildren(id, (child) => {
    names.push(child.record.name);
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
function endingIn(tree: TreeView, names: readonly string[]): string[] {
  const leaf = names.at(-1) ?? '';
  const found: string[] = [];
  const queue: string[] = [];
  const named = tree.model(names[0] ?? '');
  for (const model of named ? [named] : take(tree.models(), MAX_VISITED)) queue.push(model.rootNodeId);
  for (let i = 0; i < queue.length && i < MAX_VISITED; i++) {
    tree.visitChildren(queue[i] ?? '', (child) => {
      if (child.record.name === leaf) found.push(tree.pathOf(child.record.id));
      queue.push(child.record.id);
      return queue.length >= MAX_VISITED;
    });
  }
  return found.slice(0, MAX_SUGGESTIONS);
}

/** How many of `names` name something that exists. */
function deepestExisting(tree: TreeView, names: readonly string[]): number {
  let depth = 0;
  while (depth < names.length && nodeAt(tree, names.slice(0, depth + 1))) depth++;
  return depth;
}

function longestExisting(tree: TreeView, path: string): string {
  const names = path.split('/');
  return names.slice(0, deepestExisting(tree, names)).join('/');
}

function nodeAt(tree: TreeView, names: readonly string[]): TreeNode | undefined {
  const model = tree.model(names[0] ?? '');
  let node = model && tree.treeNode(model.rootNodeId);
  for (let i = 1; node && i < names.length; i++) node = tree.child(node.record.id, names[i] ?? '');
  return node;
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let taken = 0;
  for (const item of items) {
    if (taken++ >= count) return;
    yield item;
  }
}
