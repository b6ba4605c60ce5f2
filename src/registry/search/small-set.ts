/** What the tree in memory knows of a search: sets of nodes that are small enough to be named to the database. */
import type { AdapterTree } from '../../tree/adapter-tree.js';

/** The nodes at and below one; null where there are more than `most`. */
export function nodesBelow(tree: AdapterTree, id: string, most: number): string[] | null {
  const found = [id];
  for (let i = 0; i < found.length; i++) {
    tree.visitChildren(found[i] ?? '', (child) => found.push(child.id) > most);
    if (found.length > most) return null;
  }
  return found;
}

/** All that are stale: by themselves, or because of a node above; null where there are more than `most`. */
export function staleNodes(tree: AdapterTree, most: number): string[] | null {
  const found = new Set<string>();
  for (const { id } of tree.staleNodes) {
    // Below one that was met already, everything was.
    if (found.has(id)) continue;
    const below = nodesBelow(tree, id, most);
    if (below === null) return null;
    for (const each of below) found.add(each);
    if (found.size > most) return null;
  }
  return [...found];
}
