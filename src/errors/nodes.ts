/** The state of a node: unknown, put away, disabled, deleted, or the root of its tree. */
import { clip, EspalierError } from './espalier-error.js';

export class NodeNotFoundError extends EspalierError {
  constructor(id: string) {
    super({
      code: 'node_not_found',
      status: 404,
      message: `There is no node "${clip(id)}". Name it by its id or by its path.`,
      details: { node: clip(id) },
    });
  }
}

export class NodeArchivedError extends EspalierError {
  constructor(path: string, archived: string) {
    const which = path === archived ? 'it was archived' : `"${archived}" above it was archived`;
    super({
      code: 'node_archived',
      status: 409,
      message: `"${path}" is put away: ${which}. Restore it first.`,
      param: 'path',
      details: { path, archived },
    });
  }
}

export class NodeDisabledError extends EspalierError {
  constructor(path: string, disabledPath: string) {
    const below = path === disabledPath ? '' : `, and "${path}" lies below it`;
    super({
      code: 'node_disabled',
      status: 409,
      message: `"${disabledPath}" is disabled${below}. Enable it to serve it again.`,
      param: 'path',
      details: { path, disabled: disabledPath },
    });
  }
}

/** The root of a tree is the base model itself: it has no adapter, no parent, and its name is the model's. */
export class RootNodeError extends EspalierError {
  constructor(path: string, what: string) {
    super({
      code: 'root_node',
      status: 409,
      message: `"${path}" is a base model, and the root of its tree: it ${what}.`,
      details: { path },
    });
  }
}

/** `count`: of all nodes below it. */
export class NodeHasChildrenError extends EspalierError {
  constructor(path: string, count: number) {
    super({
      code: 'node_has_children',
      status: 409,
      message: `"${path}" has ${count} ${count === 1 ? 'node' : 'nodes'} below it, which would be deleted with it. Ask for that with ?recursive=true, or move them first.`,
      details: { path, count },
    });
  }
}

/** Nodes that were moved out by force were trained on what is to be deleted. `visible`: paths of those that may be named. */
export class TrainedOnElsewhereError extends EspalierError {
  constructor(path: string, count: number, visible: readonly string[]) {
    const named = visible.length > 0 ? ` (${visible.map((one) => `"${one}"`).join(', ')})` : '';
    super({
      code: 'trained_on_elsewhere',
      status: 409,
      message: `The heads of ${count} ${count === 1 ? 'node' : 'nodes'} elsewhere${named} were trained on revisions of "${path}" or of what lies below it. Push them anew where they lie now, or delete it all the same with ?force=true: what they serve stays the same, but they can no longer go back.`,
      details: { path, count, nodes: visible },
    });
  }
}

/** It went with a node above it, and comes back with that. */
export class DeletedAboveError extends EspalierError {
  constructor(id: string, aboveId: string) {
    super({
      code: 'deleted_above',
      status: 409,
      message: `Node "${id}" was deleted together with "${aboveId}" above it. Bring that back: POST /api/v1/nodes/${aboveId}/undelete.`,
      details: { node: id, above: aboveId },
    });
  }
}

/** The collection of garbage came first. */
export class NodePurgedError extends EspalierError {
  constructor(id: string, revisions: number) {
    super({
      code: 'node_purged',
      status: 410,
      message: `Node "${id}" can't come back: ${revisions} of its revisions were purged after the grace period. Push them to a new node.`,
      details: { node: id, revisions },
    });
  }
}
