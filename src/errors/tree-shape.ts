/** Changes that would break the tree's shape, or give a node other ancestors than it was trained on. */
import { EspalierError } from './espalier-error.js';

/** A node can't lie below itself. */
export class NodeCycleError extends EspalierError {
  constructor(nodePath: string, parentPath: string) {
    super({
      code: 'node_cycle',
      status: 409,
      message: `"${nodePath}" can't be moved under "${parentPath}", which lies within it.`,
      param: 'path',
      details: { node: nodePath, parent: parentPath },
    });
  }
}

export class NodeTooDeepError extends EspalierError {
  constructor(path: string, maxDepth: number) {
    super({
      code: 'node_too_deep',
      status: 400,
      message: `"${path}" would lie too deep, or something below it would: a path has at most ${maxDepth} segments after the model.`,
      param: 'path',
      details: { path, maxDepth },
    });
  }
}

/** Something that would break the tree's shape, and isn't one of the cases above. */
export class TreeStructureError extends EspalierError {
  constructor(message: string) {
    super({ code: 'tree_structure', status: 409, message });
  }
}

/** A move that gives what is moved other ancestors' adapters. */
export class MoveChangesSumsError extends EspalierError {
  constructor(path: string, target: string, affected: readonly string[]) {
    super({
      code: 'move_changes_sums',
      status: 409,
      message: `Moved to "${target}", "${path}" would be served on top of adapters that it wasn't trained on (${affected.length} affected: ${affected.slice(0, 5).join(', ')}${affected.length > 5 ? ', …' : ''}). With "force" it is moved, follows its new parent, and counts as detached until its next revision.`,
      details: { path, target, affected: affected.slice(0, 100) },
    });
  }
}

/** Nothing of its present parent was trained with it: there is no pin. */
export class NodeDetachedError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'node_detached',
      status: 409,
      message: `"${path}" was moved here by force and follows its parent until its next revision. Push one that was trained here, then pin it.`,
      details: { path },
    });
  }
}
