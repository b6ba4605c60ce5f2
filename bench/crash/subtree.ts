/**
 * What one client knows of the subtree that it alone changes, as plain data: from it and an operation follows what has to
 * be there afterwards. Nodes have keys of their own, because the ids of those that are being made aren't known yet.
 */
export interface KnownNode {
  key: number;
  /** Null where no answer has told it yet. */
  id: string | null;
  /** Null for the top alone. */
  parent: number | null;
  name: string;
  /** Number of the revision that is served. */
  head: number | null;
  /** Messages of the revisions, by number. */
  revisions: string[];
  /** Adapters that it was given: the same one twice changes nothing. */
  adapters: number[];
  aliases: Record<string, number>;
  archived: boolean;
  disabled: boolean;
  /** Key of the node that was deleted, with which it went. */
  deletedWith: number | null;
}

export interface Subtree {
  /** Path of the top. */
  path: string;
  nodes: KnownNode[];
  redirects: { parent: number; name: string; node: number }[];
  /** Keys of nodes that were deleted and whose revisions were purged. */
  purged: number[];
}

/** How it looks from outside: what is at each path. */
export interface View {
  nodes: Record<string, Omit<KnownNode, 'key' | 'id' | 'parent' | 'name' | 'adapters' | 'deletedWith'>>;
  /** Old path → path now. */
  redirects: Record<string, string>;
}

export function newNode(key: number, parent: number | null, name: string): KnownNode {
  return {
    key,
    id: null,
    parent,
    name,
    head: null,
    revisions: [],
    adapters: [],
    aliases: {},
    archived: false,
    disabled: false,
    deletedWith: null,
  };
}

export function nodeOf({ nodes }: Subtree, key: number): KnownNode {
  const node = nodes.find((one) => one.key === key);
  if (!node) throw new RangeError(`no node ${key}`);
  return node;
}

export function liveNodes({ nodes }: Subtree): KnownNode[] {
  return nodes.filter(({ deletedWith }) => deletedWith === null);
}

export function pathOf(subtree: Subtree, { parent, name }: KnownNode): string {
  return parent === null ? subtree.path : `${pathOf(subtree, nodeOf(subtree, parent))}/${name}`;
}

/** Whether a node is the one of that key or lies below it. */
export function isWithin(subtree: Subtree, node: KnownNode, key: number): boolean {
  return node.key === key || (node.parent !== null && isWithin(subtree, nodeOf(subtree, node.parent), key));
}

export function isPutAway(subtree: Subtree, node: KnownNode): boolean {
  return node.archived || (node.parent !== null && isPutAway(subtree, nodeOf(subtree, node.parent)));
}

export function isFree(subtree: Subtree, parent: number, name: string): boolean {
  return (
    !liveNodes(subtree).some((node) => node.parent === parent && node.name === name) &&
    !subtree.redirects.some((redirect) => redirect.parent === parent && redirect.name === name)
  );
}

export function viewOf(subtree: Subtree): View {
  const view: View = { nodes: {}, redirects: {} };
  for (const node of liveNodes(subtree)) {
    const { head, revisions, aliases, archived, disabled } = node;
    view.nodes[pathOf(subtree, node)] = { head, revisions, aliases, archived, disabled };
  }
  for (const { parent, name, node } of subtree.redirects) {
    view.redirects[`${pathOf(subtree, nodeOf(subtree, parent))}/${name}`] = pathOf(subtree, nodeOf(subtree, node));
  }
  return view;
}

/** Paths, with what each of the two has there, where they differ. */
export function differences(one: View, other: View): string[] {
  const found: string[] = [];
  for (const part of ['nodes', 'redirects'] as const) {
    for (const path of new Set([...Object.keys(one[part]), ...Object.keys(other[part])])) {
      const [here, there] = [one[part][path], other[part][path]].map((value) => canonical(value));
      if (here !== there) found.push(`${part} ${path}: ${here} and ${there}`);
    }
  }
  return found;
}

function canonical(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, held]) => `${name}: ${canonical(held)}`).join(', ')}}`;
}
