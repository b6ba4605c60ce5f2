/** How callers name a node: by id, or by a path of plain names. */
import { PathSyntaxError } from '../errors.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import { parsePath } from '../tree/path.js';
import type { NodeRecord } from '../tree/records.js';

/** Ids are ULIDs, in capitals, so none can be taken for a path. Throws with the nearest names. */
export function findNode(tree: AdapterTree, idOrPath: string): NodeRecord {
  return tree.node(idOrPath) ?? tree.find(plainNames(idOrPath).join('/'));
}

/** The names of a path, model first. A weight or a revision says what to serve, and names no node. */
export function plainNames(path: string): string[] {
  const { model, segments } = parsePath(path);
  for (const [i, { name }] of segments.entries()) {
    if (path.split('/')[i + 1] !== name) {
      throw new PathSyntaxError(path, 'the path of a node takes no ":weight" and no "@revision".');
    }
  }
  return [model, ...segments.map(({ name }) => name)];
}
