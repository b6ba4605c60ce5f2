/** Revisions of a node, and the aliases, heads and `trainedOn` that point to them. */
import { clip, EspalierError } from './espalier-error.js';

/** `revision` is a number or an alias; `numbers` are those that the node has. */
export class RevisionNotFoundError extends EspalierError {
  constructor(nodePath: string, revision: number | string, numbers: readonly number[]) {
    const what = typeof revision === 'number' ? `revision ${revision}` : `alias "${revision}"`;
    const last = numbers.at(-1);
    const has =
      last === undefined
        ? 'no revisions yet'
        : numbers.length === 1
          ? `revision ${last} alone`
          : `revisions up to ${last}`;
    super({
      code: 'revision_not_found',
      status: 404,
      message: `"${nodePath}" has no ${what}; it has ${has}. Name one of those after "@", or leave "@${revision}" out.`,
      param: 'path',
      details: { node: nodePath, revision, revisions: numbers.slice(-20) },
    });
  }
}

/** By its id; also where the caller can't see it. */
export class UnknownRevisionError extends EspalierError {
  constructor(id: string) {
    super({
      code: 'revision_not_found',
      status: 404,
      message: `There is no revision with id "${id}". List those of a node with GET /api/v1/nodes/<node>/revisions.`,
      details: { id },
    });
  }
}

export class RevisionRecalledError extends EspalierError {
  constructor(path: string, number: number) {
    super({
      code: 'revision_recalled',
      status: 410,
      message: `Revision ${number} of "${path}" was recalled and is no longer served. Name another, or leave the "@" out.`,
      param: 'path',
      details: { path, revision: number },
    });
  }
}

export class AliasNotFoundError extends EspalierError {
  constructor(nodePath: string, name: string, known: readonly string[]) {
    super({
      code: 'alias_not_found',
      status: 404,
      message: `"${nodePath}" has no alias "${clip(name)}". It has ${known.length === 0 ? 'none' : known.slice(0, 20).join(', ')}.`,
      param: 'name',
      details: { path: nodePath, alias: clip(name), aliases: known.slice(0, 20) },
    });
  }
}

export class TooManyAliasesError extends EspalierError {
  constructor(nodePath: string, limit: number) {
    super({
      code: 'too_many_aliases',
      status: 409,
      message: `"${nodePath}" has ${limit} aliases, and no more are kept. Delete one first, or tag revisions instead.`,
      details: { path: nodePath, limit },
    });
  }
}

/** What a push says that its adapter was trained on isn't a revision of the parent. */
export class TrainedOnError extends EspalierError {
  constructor(parentPath: string, given: number | string, numbers: readonly number[]) {
    super({
      code: 'invalid_trained_on',
      status: 400,
      message: `"${given}" is no revision of the parent, "${parentPath}"; that has ${numbers.length === 0 ? 'none: leave trainedOn out' : `revisions up to ${numbers.at(-1) ?? 0}`}.`,
      param: 'trainedOn',
      details: { parent: parentPath, trainedOn: given, revisions: numbers.slice(-20) },
    });
  }
}

export class NothingToRollBackError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'nothing_to_roll_back',
      status: 409,
      message: `"${path}" has had no other head before this one.`,
      details: { path },
    });
  }
}
