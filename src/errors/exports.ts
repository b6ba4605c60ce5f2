/** What is computed from a path's adapters and sent: exports, lineages, comparisons. */
import { EspalierError } from './espalier-error.js';

/** The bare base, or steps that add nothing to it. */
export class NothingToExportError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'nothing_to_export',
      status: 400,
      message: `"${path}" adds nothing to its base, so there is no adapter to export. Name a path with a revision whose weight isn't 0.`,
      param: 'path',
    });
  }
}

/** An export holds the values of every adapter of the path, so each must be one that the caller may read. */
export class ExportForbiddenError extends EspalierError {
  constructor(path: string, subtree: string) {
    super({
      code: 'export_forbidden',
      status: 403,
      message: `"${path}" can't be exported with this key: adapters from above "${subtree}", to which the key is bound, are part of the sum. Export it with a key that may read them, or take the files of a revision alone.`,
      param: 'path',
      details: { path, subtree },
    });
  }
}

/** Exports that are being read. */
export class ExportOverloadedError extends EspalierError {
  constructor(atOnce: number) {
    super({
      code: 'overloaded',
      status: 429,
      message: `${atOnce} exports are being read, which is as many as there may be at once. Try again later.`,
      retryAfterSeconds: 10,
    });
  }
}

export class LineageTooLargeError extends EspalierError {
  constructor(path: string, format: string, limit: number) {
    super({
      code: 'lineage_too_large',
      status: 400,
      message: `More than ${limit} nodes lie at and below "${path}", and a lineage as ${format} holds no more. Ask for subtrees of it.`,
      param: 'node',
      details: { path, format, limit },
    });
  }
}

/** Comparisons that wait for their turn. */
export class ComparisonOverloadedError extends EspalierError {
  constructor() {
    super({
      code: 'overloaded',
      status: 429,
      message: 'Too many adapters are waiting to be compared. Try again later.',
      retryAfterSeconds: 10,
    });
  }
}
