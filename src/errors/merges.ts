/** What is kept ready for a path on request: weights that are merged, and adapters pinned in host memory. */
import { EspalierError } from './espalier-error.js';

/** A path that can't be merged on this model or device. */
export class MergeUnsupportedError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'merge_unsupported',
      status: 400,
      message: `The path can't be merged: ${reason}. It is served without, from the adapters as they are.`,
    });
  }
}

/** A path whose weights would be the base's. */
export class NothingToMergeError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'nothing_to_merge',
      status: 400,
      message: `"${path}" adds nothing to its base: no node of it has a revision with a weight other than 0.`,
      param: 'path',
    });
  }
}

export class MergeNotFoundError extends EspalierError {
  constructor(merge: string) {
    super({
      code: 'merge_not_found',
      status: 404,
      message: `No path is pinned as "${merge}". GET /api/v1/merges lists what is.`,
    });
  }
}

/** Memory for merged lanes is short. */
export class MergedBudgetExceededError extends EspalierError {
  constructor(neededBytes: number, usedBytes: number, budgetBytes: number) {
    super({
      code: 'merged_budget_exceeded',
      status: 409,
      message:
        `A merged lane of this model takes ${neededBytes} bytes, and ${Math.max(0, budgetBytes - usedBytes)} of the ` +
        `${budgetBytes} of ESPALIER_MERGED_MB are free. Unmerge another path, or raise it.`,
      details: { neededBytes, freeBytes: Math.max(0, budgetBytes - usedBytes), budgetBytes },
    });
  }
}

/** A merge that went wrong; the path is served factored. */
export class MergeFailedError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'merge_failed',
        status: 500,
        message: "The path can't be merged now; the service's log says why. It is served without.",
      },
      { cause },
    );
  }
}

/** Host memory for adapters that stay is short. */
export class PinBudgetExceededError extends EspalierError {
  constructor(path: string, neededBytes: number, usedBytes: number, budgetBytes: number) {
    const freeBytes = Math.max(0, budgetBytes - usedBytes);
    super({
      code: 'pin_budget_exceeded',
      status: 409,
      message:
        `The adapter of "${path}" takes ${neededBytes} bytes of host memory, and ${freeBytes} of the ${budgetBytes} of ` +
        'ESPALIER_HOST_CACHE_MB are left by pinned ones. Unpin another node, or raise it.',
      details: { neededBytes, freeBytes, budgetBytes },
    });
  }
}
