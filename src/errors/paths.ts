/** Paths and the names in them: ones that can't be read, lead nowhere or lead on, and names that are taken. */
import { clip, EspalierError } from './espalier-error.js';

/** A path that isn't one: `where` is the segment at fault. */
export class PathSyntaxError extends EspalierError {
  constructor(where: string, problem: string) {
    super({
      code: 'invalid_path',
      status: 400,
      message: `"${clip(where)}" can't stand in a path: ${problem}`,
      param: 'path',
      details: { segment: clip(where) },
    });
  }
}

/** No node has that path. `nearest` are full paths that exist. */
export class PathNotFoundError extends EspalierError {
  constructor(path: string, nearest: readonly string[]) {
    const hint = nearest.length > 0 ? `Did you mean ${nearest.map((name) => `"${name}"`).join(' or ')}?` : '';
    super({
      code: 'path_not_found',
      status: 404,
      message: `No node has the path "${clip(path)}". ${hint || 'List the nodes to see what there is.'}`,
      param: 'path',
      details: { path: clip(path), nearest },
    });
  }
}

/** The path leads over a redirect, and says something of a node that is no longer on the way. */
export class RedirectedSegmentError extends EspalierError {
  constructor(path: string, segment: string, now: string) {
    super({
      code: 'redirected_segment',
      status: 409,
      message: `"${clip(path)}" has moved to "${now}", where the weight or revision of "${segment}" has no node to apply to. Name the new path.`,
      param: 'path',
      details: { path: clip(path), movedTo: now },
    });
  }
}

/** A key that is bound to a subtree takes what lies above as it is. */
export class AncestorOverrideError extends EspalierError {
  constructor(segment: string) {
    super({
      code: 'ancestor_override',
      status: 403,
      message: `"${segment}" lies above the subtree of this key, which may give it no weight and no revision. Leave ":" and "@" out there.`,
      param: 'path',
    });
  }
}

/** Two nodes of one parent, or two models, can't share a name. */
export class NameTakenError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'name_taken',
      status: 409,
      message: `"${path}" exists already. Choose another name.`,
      param: 'path',
      details: { path },
    });
  }
}

/**
 * The name leads on to a node that had it before. `target`: where that lies now; null for callers who can't see it.
 */
export class NameRedirectedError extends EspalierError {
  constructor(path: string, redirectId: string, target: string | null) {
    const where = target === null ? 'to where this key does not see' : `to "${target}"`;
    super({
      code: 'name_redirected',
      status: 409,
      message: `"${path}" leads on ${where}: a node moved there, and its old path is kept. Choose another name, or drop the redirect with DELETE /api/v1/redirects/${redirectId}.`,
      param: 'path',
      details: { path, redirect: redirectId, target },
    });
  }
}

/** No redirect of that id, or none that the caller can see. */
export class RedirectNotFoundError extends EspalierError {
  constructor(id: string) {
    super({
      code: 'redirect_not_found',
      status: 404,
      message: `There is no redirect "${clip(id)}". List them with GET /api/v1/redirects.`,
      details: { redirect: clip(id) },
    });
  }
}

/** No such digest was ever served. */
export class ServedPathNotFoundError extends EspalierError {
  constructor(digest: string) {
    super({
      code: 'path_digest_not_found',
      status: 404,
      message: `No path with the digest "${clip(digest)}" was served here. Give it whole, as an answer named it.`,
      details: { digest: clip(digest) },
    });
  }
}
