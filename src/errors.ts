/**
 * Every error that a caller can meet, with its stable code.
 *
 * A class takes domain objects and writes the message: what is wrong, in which thing, and what to do. `code` never
 * changes once released; clients match on it. `status` is the HTTP status that the error has on every surface.
 */

export interface ErrorShape {
  /** Stable, snake_case. */
  code: string;
  /** HTTP status. */
  status: number;
  /** Says what is wrong and what to do, and names the thing. */
  message: string;
  /** The field of the request that is at fault, if one is. */
  param?: string;
  /** Machine-readable particulars, for example the nearest names or the two numbers that don't fit. */
  details?: Record<string, unknown>;
  /** For overload: after how many seconds to come back. */
  retryAfterSeconds?: number;
}

export class EspalierError extends Error {
  readonly code: string;
  readonly status: number;
  readonly param: string | undefined;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(shape: ErrorShape, options?: ErrorOptions) {
    super(shape.message, options);
    this.name = new.target.name;
    this.code = shape.code;
    this.status = shape.status;
    this.param = shape.param;
    this.details = shape.details;
    this.retryAfterSeconds = shape.retryAfterSeconds;
  }

  /** A plain object that survives a process boundary; `EspalierError.from` is its inverse. */
  toShape(): ErrorShape {
    return {
      code: this.code,
      status: this.status,
      message: this.message,
      param: this.param,
      details: this.details,
      retryAfterSeconds: this.retryAfterSeconds,
    };
  }

  /** `reason`: what `reasonsOf` said of it where it was thrown; goes to the log, and to nobody else. */
  static from(shape: ErrorShape, reason?: string): EspalierError {
    return new EspalierError(shape, reason === undefined ? undefined : { cause: new Error(reason) });
  }
}

/** The messages of an error and of what caused it, for a log: the outermost first. */
export function reasonsOf(error: unknown): string {
  const reasons: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    // Some name their cause themselves; the cause of one from another thread or process is all that was known there.
    if (at.message.startsWith(reasons.at(-1) ?? at.message)) reasons.pop();
    if (reasons.at(-1)?.includes(at.message) !== true) reasons.push(at.message);
  }
  return reasons.length === 0 ? String(error) : reasons.join(' — ');
}

// --- start-up -----------------------------------------------------------------------------------------------------

/** Why the service doesn't start. The message is all that is printed, so it says what to do. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}

export class DataFolderHeldError extends StartError {
  constructor(folder: string, holder: { pid: number; host: string; since: string }) {
    super(
      `The data folder "${folder}" is in use by process ${holder.pid} on ${holder.host}, since ${holder.since}. ` +
        `Stop that process (kill ${holder.pid}), or set ESPALIER_DATA to another folder.`,
    );
  }
}

export class AddressTakenError extends StartError {
  constructor(host: string, port: number, code: string, variable = 'ESPALIER_PORT') {
    const reason =
      code === 'EADDRINUSE'
        ? `Port ${port} on ${host} is taken. Stop what listens there, or set ${variable} to another port.`
        : code === 'EACCES'
          ? `This account may not listen on port ${port}. Set ${variable} to a port from 1024 on.`
          : `The service can't listen on ${host}: ${code}. Set ESPALIER_HOST to an address of this machine.`;
    super(reason);
  }
}

export class DatabaseOpenError extends StartError {
  constructor(where: string, cause: unknown) {
    super(`The database ${where} can't be opened: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** The database's history of migrations and this build's don't fit together. */
export class MigrationError extends StartError {
  constructor(migration: string, problem: string, cause?: unknown) {
    super(`Migration "${migration}" ${problem}`, { cause });
  }
}

export class StorageOpenError extends StartError {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

// --- requests ---------------------------------------------------------------------------------------------------

export class InvalidRequestError extends EspalierError {
  constructor(message: string, param?: string, details?: Record<string, unknown>) {
    super({ code: 'invalid_request', status: 400, message, param, details });
  }
}

export class RouteNotFoundError extends EspalierError {
  constructor(method: string, path: string) {
    super({ code: 'route_not_found', status: 404, message: `There is no ${method} ${path} here.` });
  }
}

/** The path is there, under other methods. */
export class MethodNotAllowedError extends EspalierError {
  readonly allowed: readonly string[];

  constructor(method: string, path: string, allowed: readonly string[]) {
    super({
      code: 'method_not_allowed',
      status: 405,
      message: `There is no ${method} ${path} here, but ${allowed.join(', ')}.`,
      details: { allowed },
    });
    this.allowed = allowed;
  }
}

export class BodyTooLargeError extends EspalierError {
  constructor(limitBytes: number) {
    super({
      code: 'body_too_large',
      status: 413,
      message: `The request's body is larger than ${limitBytes} bytes.`,
      details: { limitBytes },
    });
  }
}

export class InvalidJsonError extends EspalierError {
  constructor(reason: string) {
    super({ code: 'invalid_json', status: 400, message: `The request's body is no JSON that can be used: ${reason}` });
  }
}

export class JsonTooDeepError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'json_too_deep',
      status: 400,
      message: `The request's body nests deeper than ${limit} levels.`,
      details: { limit },
    });
  }
}

export class UnsupportedMediaTypeError extends EspalierError {
  constructor(contentType: string | undefined) {
    super({
      code: 'unsupported_media_type',
      status: 415,
      message: `A body of type "${contentType ?? ''}" can't be read here. Send Content-Type: application/json.`,
    });
  }
}

/** Of a file; its size is what a part would have to begin below. */
export class RangeNotSatisfiableError extends EspalierError {
  constructor(bytes: number) {
    super({
      code: 'range_not_satisfiable',
      status: 416,
      message: `The file has ${bytes} bytes; a range has to begin below that.`,
      details: { bytes },
    });
  }
}

/** What the client sends comes too slowly. */
export class RequestTimeoutError extends EspalierError {
  constructor(timeoutMs: number) {
    super({
      code: 'request_timeout',
      status: 408,
      message: `Too little of the request came in ${timeoutMs} ms, so it was given up. Send it again over a faster connection.`,
      details: { timeoutMs },
    });
  }
}

/** Bytes that are no HTTP. */
export class MalformedHttpError extends EspalierError {
  constructor() {
    super({ code: 'malformed_http', status: 400, message: 'What was sent is no HTTP request that can be read.' });
  }
}

export class HeadersTooLargeError extends EspalierError {
  constructor() {
    super({
      code: 'headers_too_large',
      status: 431,
      message: "The request's headers are too large. Send fewer or shorter ones.",
    });
  }
}

/** Something went wrong that isn't the caller's fault and has no error of its own; the log says what, under the id. */
export class InternalError extends EspalierError {
  constructor(requestId: string, cause: unknown) {
    super(
      {
        code: 'internal_error',
        status: 500,
        message: `The service failed on this request. Its log has the reason under request id ${requestId}.`,
      },
      { cause },
    );
  }
}

export class ShuttingDownError extends EspalierError {
  constructor() {
    super({ code: 'shutting_down', status: 503, message: 'The service is stopping. Try again.', retryAfterSeconds: 5 });
  }
}

// --- GraphQL ----------------------------------------------------------------------------------------------------

/** The document is none that can be parsed. */
export class GraphqlSyntaxError extends EspalierError {
  constructor(message: string) {
    super({ code: 'graphql_syntax', status: 400, message });
  }
}

/** The document, its variables or the choice of operation don't fit the schema. */
export class GraphqlInvalidError extends EspalierError {
  constructor(message: string) {
    super({ code: 'graphql_invalid', status: 400, message });
  }
}

export class GraphqlLimitError extends EspalierError {
  constructor(limit: 'depth' | 'cost' | 'aliases' | 'directives' | 'tokens', allowed: number, found?: number) {
    const has = found === undefined ? '' : ` It has ${found}.`;
    super({
      code: 'graphql_limit',
      status: 400,
      message: `The operation is over the limit for ${limit}, which is ${allowed}.${has} Ask for less at once.`,
      details: { limit, allowed, ...(found === undefined ? {} : { found }) },
    });
  }
}

export class IntrospectionOffError extends EspalierError {
  constructor() {
    super({
      code: 'introspection_off',
      status: 400,
      message: 'Introspection is off here. The schema is the file schema.graphql of the release.',
    });
  }
}

export class TooManySubscriptionsError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'too_many_subscriptions',
      status: 429,
      message: `A connection carries at most ${limit} subscriptions. End one, or open another connection.`,
      details: { limit },
    });
  }
}

/** The subscriber reads more slowly than the registry changes. */
export class SubscriptionOverflowError extends EspalierError {
  constructor(limit: number) {
    super({
      code: 'subscription_overflow',
      status: 429,
      message: `Over ${limit} changes waited to be read, and the subscription was ended. Subscribe again, and read what there is now.`,
      details: { limit },
    });
  }
}

// --- tokenization -------------------------------------------------------------------------------------------------

export class PromptTooLargeError extends EspalierError {
  constructor(bytes: number, maxBytes: number) {
    super({
      code: 'prompt_too_large',
      status: 413,
      message: `The prompt has ${bytes} bytes of text, and ${maxBytes} are allowed. Send less text, or raise ESPALIER_MAX_PROMPT_BYTES.`,
      details: { bytes, maxBytes },
    });
  }
}

/** Not a 5xx: clients would try again, and meet the same end. */
export class TokenizationTimeoutError extends EspalierError {
  constructor(timeoutMs: number) {
    super({
      code: 'tokenization_timeout',
      status: 400,
      message: `Tokenizing the prompt took longer than ${timeoutMs} ms and was stopped. Shorten it, above all runs without spaces, or raise ESPALIER_TOKENIZE_TIMEOUT_MS.`,
      details: { timeoutMs },
    });
  }
}

export class TokenizationQueueFullError extends EspalierError {
  constructor(waiting: number) {
    super({
      code: 'overloaded',
      status: 429,
      message: `${waiting} prompts wait to be tokenized already. Come back in a second.`,
      retryAfterSeconds: 1,
      details: { waiting },
    });
  }
}

export class UnsupportedTokenizerError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'unsupported_tokenizer',
      status: 400,
      message: `The tokenizer of this model can't be used: ${reason}`,
    });
  }
}

export class MissingChatTemplateError extends EspalierError {
  constructor() {
    super({
      code: 'chat_template_missing',
      status: 400,
      message:
        'The checkpoint of this model has no chat template, so messages have no defined form for it. Use /v1/completions, or import a checkpoint with a chat_template.jinja.',
      param: 'messages',
    });
  }
}

export class ChatTemplateError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'chat_template_failed',
      status: 400,
      message: `The model's chat template refuses these messages: ${reason}`,
      param: 'messages',
    });
  }
}

// --- completions --------------------------------------------------------------------------------------------------

export class ModelNotFoundError extends EspalierError {
  constructor(reason: string, details?: Record<string, unknown>) {
    super({ code: 'model_not_found', status: 404, message: reason, param: 'model', details });
  }
}

// --- access -----------------------------------------------------------------------------------------------------

export class InvalidApiKeyError extends EspalierError {
  constructor(given: boolean) {
    super({
      code: 'invalid_api_key',
      status: 401,
      message: given
        ? 'The API key is not known, or was revoked.'
        : 'No API key was given. Send "Authorization: Bearer <key>"; the first keys lie in the folder "keys" of the data folder.',
    });
  }
}

export class ApiKeyExpiredError extends EspalierError {
  constructor(at: Date) {
    super({
      code: 'api_key_expired',
      status: 401,
      message: `The API key expired at ${at.toISOString()}. Ask whoever made it for another.`,
    });
  }
}

/** The database has been away for so long that nobody can tell which keys still hold. */
export class KeysUnverifiedError extends EspalierError {
  constructor(graceMs: number) {
    super({
      code: 'keys_unverified',
      status: 503,
      message: `API keys could not be checked against the database for over ${Math.round(graceMs / 1000)} s, so none is taken until it is back.`,
      retryAfterSeconds: 5,
    });
  }
}

export class ApiKeyNotFoundError extends EspalierError {
  constructor(id: string) {
    super({
      code: 'api_key_not_found',
      status: 404,
      message: `There is no API key with the id "${clip(id)}". List the keys to see theirs.`,
      param: 'key',
    });
  }
}

export class ApiKeyRevokedError extends EspalierError {
  constructor(name: string) {
    super({
      code: 'api_key_revoked',
      status: 409,
      message: `The key "${name}" was revoked, and can't be changed any more. Make another.`,
      param: 'key',
    });
  }
}

export class LastAdminKeyError extends EspalierError {
  constructor(name: string) {
    super({
      code: 'last_admin_key',
      status: 409,
      message: `"${name}" is the last key that can make others: scope admin, no subtree, no expiry. Make another like it first.`,
      param: 'key',
    });
  }
}

export class MissingScopeError extends EspalierError {
  constructor(needed: readonly string[], held: readonly string[]) {
    super({
      code: 'missing_scope',
      status: 403,
      message: `This needs a key with scope ${needed.join(' or ')}; the one given has ${held.join(', ')}.`,
      details: { needed, held },
    });
  }
}

export class SubtreeKeyError extends EspalierError {
  constructor() {
    super({
      code: 'subtree_key',
      status: 403,
      message:
        'This key is bound to a subtree, and the request concerns the registry as a whole. Use a key without one.',
    });
  }
}

/** The key's minute is used up. */
export class RateLimitedError extends EspalierError {
  constructor(of: 'requests' | 'tokens', limit: number, retryAfterSeconds: number) {
    super({
      code: 'rate_limited',
      status: 429,
      message: `This key may use ${limit} ${of} a minute, and they are used up. Try again in ${retryAfterSeconds} s.`,
      details: { of, limit },
      retryAfterSeconds,
    });
  }
}

/** Not a 429: no minute will ever hold it. */
export class OverTokenLimitError extends EspalierError {
  constructor(tokens: number, limit: number) {
    super({
      code: 'over_token_limit',
      status: 400,
      message: `The prompt and the tokens asked for are ${tokens} together, and this key may use ${limit} in a whole minute. Shorten the prompt, or ask for fewer tokens.`,
      param: 'max_tokens',
      details: { tokens, limit },
    });
  }
}

// --- tree and registry --------------------------------------------------------------------------------------------

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

/** Somebody else changed it first. `current`: how it is now. */
export class VersionConflictError extends EspalierError {
  constructor(what: string, expected: number, version: number, current: unknown) {
    super({
      code: 'version_conflict',
      status: 412,
      message: `${what} is at version ${version}, and the request was made for version ${expected}: somebody changed it in between. Look at it as it is now, and send the change again with version ${version}.`,
      details: { version, expectedVersion: expected, current },
    });
  }
}

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

export class ModelNotImportedError extends EspalierError {
  constructor(name: string, known: readonly string[]) {
    super({
      code: 'model_not_imported',
      status: 404,
      message: `There is no model "${clip(name)}". There ${known.length === 0 ? 'is none yet: import one.' : `is ${known.join(', ')}.`}`,
      param: 'model',
      details: { model: clip(name), known },
    });
  }
}

/** The name stands for other files already. */
export class ModelExistsError extends EspalierError {
  constructor(name: string, digest: string, givenDigest: string) {
    super({
      code: 'model_exists',
      status: 409,
      message: `"${name}" is imported already, from other files. Models never change: give this one another name.`,
      param: 'name',
      details: { name, digest, givenDigest },
    });
  }
}

/** The service reads only the folders that it was told to. */
export class FolderNotAllowedError extends EspalierError {
  constructor(folder: string, roots: readonly string[]) {
    super({
      code: 'folder_not_allowed',
      status: 403,
      message: `"${clip(folder)}" lies in no folder that this service may read (${roots.join(', ')}). Start it with ESPALIER_IMPORT_ROOTS naming a folder above.`,
      param: 'folder',
      details: { folder: clip(folder), roots },
    });
  }
}

export class FolderNotFoundError extends EspalierError {
  constructor(folder: string) {
    super({
      code: 'folder_not_found',
      status: 404,
      message: `There is no folder "${clip(folder)}" on the machine of the service, or its account may not read it.`,
      param: 'folder',
      details: { folder: clip(folder) },
    });
  }
}

export class MissingFileError extends EspalierError {
  constructor(file: string, where: string) {
    super({
      code: 'missing_file',
      status: 400,
      message: `${where} has no "${file}" that can be read.`,
      details: { file },
    });
  }
}

/** Of files that belong to an adapter and have a limit of their own. */
export class FileTooLargeError extends EspalierError {
  constructor(file: string, limitBytes: number) {
    super({
      code: 'file_too_large',
      status: 413,
      message: `"${file}" is larger than ${limitBytes} bytes, and no such file may be. Check that it is the file that its name says.`,
      details: { file, limitBytes },
    });
  }
}

/** `kind` by its content; null: by its name. */
export class ArchiveRefusedError extends EspalierError {
  constructor(name: string, kind: string | null) {
    super({
      code: 'archive_refused',
      status: 400,
      message: `"${clip(name)}" is ${kind === null ? 'the name of an archive' : `an archive (${kind})`}, and nothing is unpacked here. Unpack it first, and send adapter_config.json and adapter_model.safetensors themselves.`,
      details: { file: clip(name), kind },
    });
  }
}

/** `field`: of the push that says what was expected. */
export class DigestMismatchError extends EspalierError {
  constructor(field: 'digest' | 'sha256', expected: string, found: string) {
    const what = field === 'digest' ? 'The revision digest' : 'The SHA-256 of adapter_model.safetensors';
    super({
      code: 'digest_mismatch',
      status: 422,
      message: `${what} is ${found}, where the push expects ${expected}. Nothing was kept. Check which adapter was sent, and that it came whole.`,
      param: field,
      details: { expected, found },
    });
  }
}

export class HubDisabledError extends EspalierError {
  constructor() {
    super({
      code: 'hub_disabled',
      status: 403,
      message: 'This service fetches nothing from the Hugging Face hub (ESPALIER_HUB_URL is off). Upload the files.',
      param: 'hub',
    });
  }
}

/** Or it is private, and the hub doesn't say so. */
export class HubNotFoundError extends EspalierError {
  constructor(url: string, repo: string, revision: string) {
    super({
      code: 'hub_not_found',
      status: 404,
      message: `${url} has no "${repo}" at "${revision}", or shows it only to those with a token. Check both, or give a token that may read it.`,
      param: 'hub',
      details: { hub: url, repo, revision },
    });
  }
}

export class HubRefusedError extends EspalierError {
  constructor(url: string, repo: string, withToken: boolean) {
    const advice = withToken
      ? 'Check that the token holds and may read it; for a gated repository, ask for access there first.'
      : 'Give a token that may read it.';
    super({
      code: 'hub_refused',
      status: 403,
      message: `${url} doesn't give "${repo}" out. ${advice}`,
      param: 'hub',
      details: { hub: url, repo },
    });
  }
}

export class HubUnavailableError extends EspalierError {
  constructor(url: string, reason: string, cause: unknown) {
    super(
      {
        code: 'hub_unavailable',
        status: 502,
        message: `${url} doesn't serve this now: ${reason}. Nothing was kept. Try again, or upload the files.`,
        param: 'hub',
        details: { hub: url, reason },
      },
      { cause },
    );
  }
}

/** To somewhere that only this service may be able to reach. */
export class HubRedirectError extends EspalierError {
  constructor(url: string, origin: string) {
    super({
      code: 'hub_redirect_refused',
      status: 502,
      message: `${url} sends us on to ${clip(origin)}, which isn't asked. If its files lie there, name it in ESPALIER_HUB_CDNS.`,
      param: 'hub',
      details: { hub: url, origin: clip(origin) },
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

/** Reading an adapter took too long, or ended its worker. */
export class AdapterUnreadableError extends EspalierError {
  constructor(reason: string, cause: unknown) {
    super(
      {
        code: 'adapter_unreadable',
        status: 422,
        message: `The adapter could not be checked: ${reason}. Check that its files are whole, and that its size is what it should be.`,
      },
      { cause },
    );
  }
}

/** Adapters that wait for their check. */
export class PushOverloadedError extends EspalierError {
  constructor() {
    super({
      code: 'overloaded',
      status: 429,
      message: 'Too many adapters are waiting to be checked. Try again later.',
      retryAfterSeconds: 5,
    });
  }
}

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

/** As vLLM has it, whose clients look for these words. */
export class LoraLoadedError extends EspalierError {
  constructor(path: string) {
    super({
      code: 'lora_already_loaded',
      status: 400,
      message: `The lora adapter '${path}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
      param: 'lora_name',
      details: { path },
    });
  }
}

/** `running`: requests that still use the node, which is disabled all the same. */
export class UnloadTimeoutError extends EspalierError {
  constructor(path: string, running: number, timeoutMs: number) {
    super({
      code: 'unload_timeout',
      status: 503,
      message: `"${path}" takes no new requests, but ${running} of those that use it still run after ${timeoutMs / 1000} s. Ask again to go on waiting.`,
      param: 'lora_name',
      details: { path, running },
      retryAfterSeconds: 5,
    });
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

// --- formats: safetensors, PEFT, checkpoints ------------------------------------------------------------------------

/** A file that isn't what its format says. `name` is how the caller knows it: `adapter_model.safetensors`. */
export class InvalidFileError extends EspalierError {
  constructor(name: string, reason: string, options?: ErrorOptions) {
    super({ code: 'invalid_file', status: 400, message: `${name} ${reason}.`, details: { file: name } }, options);
  }

  /** There is no such file. */
  get missing(): boolean {
    return isMissingFile(this.cause);
  }
}

/** A config.json that can't be served exactly. `field` is the one at fault. */
export class UnsupportedConfigError extends EspalierError {
  constructor(field: string, reason: string) {
    super({
      code: 'unsupported_config',
      status: 400,
      message: `config.json can't be served: "${field}" ${reason}.`,
      details: { field },
    });
  }
}

/** A checkpoint whose weights can't be quantised as was asked. */
export class UnsupportedQuantizationError extends EspalierError {
  constructor(quantization: string, reason: string) {
    super({
      code: 'unsupported_quantization',
      status: 400,
      message: `This model can't be quantised as ${quantization}: ${reason}.`,
      param: 'quantize',
      details: { quantization },
    });
  }
}

/** An adapter_config.json that is wrong, or asks for what isn't implemented. `field` is the one at fault. */
export class UnsupportedAdapterError extends EspalierError {
  constructor(field: string, reason: string) {
    super({
      code: 'unsupported_adapter',
      status: 400,
      message: `This adapter can't be served: "${field}" ${reason}.`,
      details: { field },
    });
  }
}

/** A tensor of an adapter that can't be used: unknown key, missing half, values out of range. */
export class InvalidAdapterTensorError extends EspalierError {
  constructor(key: string, reason: string) {
    super({
      code: 'invalid_adapter_tensor',
      status: 400,
      message: `adapter_model.safetensors: "${key}" ${reason}.`,
      details: { key },
    });
  }
}

/** Keys or shapes say that the adapter was trained on another model than the one that it is pushed under. */
export class AdapterBaseMismatchError extends EspalierError {
  constructor(reason: string, trainedOn: string | null, origins: readonly string[]) {
    const its = trainedOn === null ? 'It does not name its base model' : `It names "${trainedOn}" as its base model`;
    super({
      code: 'adapter_base_mismatch',
      status: 400,
      message: `This adapter was made for another base model: ${reason}. ${its}; this one is ${origins.join(', ')}. Push it under the model that it was trained on.`,
      details: { baseModelNameOrPath: trainedOn, origins },
    });
  }
}

export class AdapterWithoutEffectError extends EspalierError {
  constructor() {
    super({
      code: 'adapter_without_effect',
      status: 400,
      message:
        'This adapter would change nothing: in every module A, B or the scale is zero, as in an adapter that was never trained. Check that the right checkpoint was saved.',
    });
  }
}

/**
 * The files of an imported model aren't those that it was imported from. Which file, and where it lies, is the cause:
 * that is for the log, not for whoever may only use the model.
 */
export class ModelFilesChangedError extends EspalierError {
  constructor(folder: string, file: string, what: string) {
    super(
      {
        code: 'model_files_changed',
        status: 500,
        message:
          "Files of this model changed since its import, so it isn't loaded: it would be another model under the same digest. Import its checkpoint again.",
      },
      { cause: new Error(`"${file}" of the imported model in "${folder}" ${what} since its import`) },
    );
  }
}

/** No such file, told apart from a disk that can't be read. */
export function isMissingFile(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    (error.code === 'ENOENT' || error.code === 'ENOTDIR')
  );
}

// --- graph --------------------------------------------------------------------------------------------------------

/** No graph can be built for the `model_type` of a config.json. */
export class UnsupportedArchitectureError extends EspalierError {
  constructor(modelType: string, supported: readonly string[]) {
    super({
      code: 'unsupported_architecture',
      status: 400,
      message: `Models of type "${modelType}" are not supported. Supported are: ${supported.join(', ')}.`,
      details: { modelType, supported },
    });
  }
}

export class MissingTensorError extends EspalierError {
  constructor(name: string, shape: readonly number[]) {
    super({
      code: 'missing_tensor',
      status: 400,
      message: `The checkpoint has no tensor "${name}" [${shape.join(', ')}], which its config.json calls for. Export it again with its complete weights.`,
      details: { tensor: name },
    });
  }
}

export class TensorShapeError extends EspalierError {
  constructor(name: string, found: readonly number[], expected: readonly number[]) {
    super({
      code: 'tensor_shape_mismatch',
      status: 400,
      message: `Tensor "${name}" is [${found.join(', ')}], but by config.json it should be [${expected.join(', ')}]. Check that config.json and weights belong together.`,
      details: { tensor: name, found, expected },
    });
  }
}

/** The runtime refused a model file. */
export class SessionLoadError extends EspalierError {
  constructor(modelFile: string, cause: unknown) {
    super(
      {
        code: 'model_load_failed',
        status: 500,
        message: `The runtime can't load "${modelFile}": ${cause instanceof Error ? cause.message : String(cause)}`,
      },
      { cause },
    );
  }
}

/** A run with wrong feeds, or one that failed inside the runtime. `feeds` says name, type and shape of each. */
export class SessionRunError extends EspalierError {
  constructor(reason: string, feeds: readonly string[], options?: ErrorOptions) {
    super(
      {
        code: 'inference_failed',
        status: 500,
        message: `The model could not be run: ${reason} Feeds: ${feeds.join(', ')}.`,
        details: { feeds },
      },
      options,
    );
  }
}

// --- engine -------------------------------------------------------------------------------------------------------

/** As many rows run and wait for the model as may. */
export class OverloadedError extends EspalierError {
  constructor(rows: number, limit: number, retryAfterSeconds: number) {
    super({
      code: 'overloaded',
      status: 429,
      message: `${rows} requests run or wait for this model, and no more than ${limit} may. Try again in ${retryAfterSeconds} s.`,
      details: { rows, limit },
      retryAfterSeconds,
    });
  }
}

export class EngineRestartingError extends EspalierError {
  constructor(retryAfterSeconds: number) {
    super({
      code: 'engine_restarting',
      status: 503,
      message: `The engine process ended and is being started again. Try again in ${retryAfterSeconds} s.`,
      retryAfterSeconds,
    });
  }
}

/** `how` is the signal or exit code that the engine process ended with. */
export class EngineDiedError extends EspalierError {
  constructor(how: string) {
    super({
      code: 'engine_died',
      status: 502,
      message: `The engine process ended (${how}) while this request ran. It is being started again; send the request again.`,
      details: { how },
    });
  }
}

export class EngineStoppingError extends EspalierError {
  constructor() {
    super({
      code: 'engine_stopping',
      status: 503,
      message: 'The service is shutting down and takes no more requests. Send the request again once it is back.',
      retryAfterSeconds: 5,
    });
  }
}

/** The engine process died more than once with nothing but this path in it. */
export class PathQuarantinedError extends EspalierError {
  constructor(pathDigest: string, deaths: number, retryAfterSeconds: number) {
    super({
      code: 'path_quarantined',
      status: 503,
      message: `The engine process ended ${deaths} times while it ran nothing but this path, which is therefore not served for another ${retryAfterSeconds} s. Check the last node's adapter, or serve another revision of it.`,
      details: { pathDigest, deaths },
      retryAfterSeconds,
    });
  }
}

/** The client reads more slowly than the model writes. */
export class SlowReaderError extends EspalierError {
  constructor(unread: number) {
    super({
      code: 'slow_reader',
      status: 408,
      message: `The answer was given up because ${unread} of its tokens lay unread. Read the stream as it comes, or ask for fewer tokens.`,
      details: { unread },
    });
  }
}

/**
 * A model that was imported can't be loaded now: whatever the reason, it is not the request's fault. The reason names
 * files of this machine, so it is logged and not told.
 */
export class ModelLoadError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'model_load_failed',
        status: 500,
        message:
          "The path's model can't be loaded now; the service's log says why. Whoever runs the service should mend what it names, or import the model again.",
      },
      { cause },
    );
  }
}

/** What of a failed load a caller is told. */
export function modelLoadError(cause: unknown): EspalierError {
  const isTold = [GpuUnavailableError, GpuMemoryExceededError, GpuFloat16UnavailableError, Float16ExceededError].some(
    (told) => cause instanceof told,
  );
  return isTold ? (cause as EspalierError) : new ModelLoadError(cause);
}

/** ESPALIER_DEVICE asks for a GPU, and none can be used. */
export class GpuUnavailableError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'gpu_unavailable',
      status: 503,
      message: `The service is to run on a GPU (ESPALIER_DEVICE=webgpu), but none can be used: ${reason}. Whoever runs it should install the GPU's driver (on Linux with Vulkan, libvulkan1 included, and the device passed into the container), or set ESPALIER_DEVICE=cpu or auto.`,
    });
  }
}

/** ESPALIER_GPU_DTYPE asks for float16, and the GPU's shaders don't compute with it. */
export class GpuFloat16UnavailableError extends EspalierError {
  constructor() {
    super({
      code: 'gpu_dtype_unavailable',
      status: 503,
      message:
        "The service is to compute in float16 on the GPU (ESPALIER_GPU_DTYPE=float16), but its shaders can't (WebGPU's feature shader-f16 is missing or broken). Whoever runs it should set ESPALIER_GPU_DTYPE=float32 or auto, or use another GPU or driver.",
    });
  }
}

/** A model with a weight that float16 has no number for. */
export class Float16ExceededError extends EspalierError {
  constructor(tensor: string) {
    super({
      code: 'gpu_dtype_exceeded',
      status: 500,
      message: `The path's model can't be loaded in float16: its tensor ${tensor} has values beyond ±65504. Whoever runs the service should set ESPALIER_GPU_DTYPE=float32.`,
      details: { tensor },
    });
  }
}

/** What a model takes of a GPU's memory, in bytes, by what for. */
export interface GpuNeed {
  weights: number;
  largestTensor: number;
  /** Of other models, merged lanes included. */
  inUse: number;
  /** Null: none is set. */
  budget: number | null;
  /** Of one tensor; null: none is set. */
  tensorLimit: number | null;
}

/** A model that doesn't fit on the GPU: nothing of it has been loaded. */
export class GpuMemoryExceededError extends EspalierError {
  constructor(need: GpuNeed) {
    const { weights, largestTensor, inUse, budget, tensorLimit } = need;
    const megabytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MB`;
    const why =
      tensorLimit !== null && largestTensor > tensorLimit
        ? `its largest tensor takes ${megabytes(largestTensor)}, and ESPALIER_GPU_TENSOR_MB allows ${megabytes(tensorLimit)}`
        : `its weights take ${megabytes(weights)}, ${megabytes(inUse)} are in use, and ESPALIER_GPU_MB allows ${megabytes(budget ?? 0)}`;
    super({
      code: 'gpu_memory_exceeded',
      status: 507,
      message: `The path's model doesn't fit on the GPU: ${why}. Nothing was loaded. Unload another model, raise the limit if the GPU has more memory, or set ESPALIER_DEVICE=cpu.`,
      details: { ...need },
    });
  }
}

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

/**
 * An adapter that was pushed can't be read now: its bytes are gone or changed, or the disk failed. It may be one above
 * what the caller can see, and the cause names files of this machine: both are logged and not told.
 */
export class AdapterLoadError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'adapter_load_failed',
        status: 500,
        message:
          "An adapter of the path can't be read now; the service's log says which and why. Push its revision again, or ask whoever runs the service to mend what the log names.",
      },
      { cause },
    );
  }
}

/** A fault of the engine that has no error of its own. */
export class EngineFailedError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'engine_failed',
        status: 500,
        message: `The engine could not do what was asked: ${cause instanceof Error ? cause.message : String(cause)}`,
      },
      { cause },
    );
  }
}

export class ModelUnloadedError extends EspalierError {
  constructor(modelDigest: string) {
    super({
      code: 'model_unloaded',
      status: 409,
      message: `The model ${modelDigest.slice(0, 12)} was unloaded while this request ran or waited. Load it again to use it.`,
      details: { model: modelDigest },
    });
  }
}

export class ContextLengthExceededError extends EspalierError {
  constructor(promptTokens: number, maxTokens: number, maxPositions: number, param = 'prompt') {
    super({
      code: 'context_length_exceeded',
      status: 400,
      message: `The prompt has ${promptTokens} tokens and ${maxTokens} more are asked for, ${promptTokens + maxTokens} together, but the model has ${maxPositions} positions. Shorten the prompt or ask for fewer tokens.`,
      param,
      details: { promptTokens, maxTokens, maxPositions },
    });
  }
}

/** Could not run even alone. */
export class KvBudgetExceededError extends EspalierError {
  constructor(promptTokens: number, maxTokens: number, budgetBytes: number) {
    super({
      code: 'kv_budget_exceeded',
      status: 400,
      message: `The prompt has ${promptTokens} tokens and ${maxTokens} more are asked for: the keys and values of ${promptTokens + maxTokens} positions don't fit into the ${budgetBytes} bytes of ESPALIER_KV_MB. Shorten the prompt, ask for fewer tokens, or raise it.`,
      param: 'prompt',
      details: { promptTokens, maxTokens, budgetBytes },
    });
  }
}

/** A path's adapters could not run even alone. */
export class RankBudgetExceededError extends EspalierError {
  constructor(rank: number, rankBudget: number) {
    super({
      code: 'rank_budget_exceeded',
      status: 400,
      message: `The adapters of this path have ${rank} ranks together, and the bank holds ${rankBudget}. Take a shorter path, or raise ESPALIER_BANK_RANKS.`,
      param: 'model',
      details: { rank, rankBudget },
    });
  }
}

/** Scale and B are each in range, and their product is not. */
export class NonFiniteAdapterError extends EspalierError {
  constructor(digest: string, module: string) {
    super({
      code: 'non_finite_adapter',
      status: 400,
      message: `Adapter ${digest.slice(0, 12)} has values for ${module} that are not finite once its scale is multiplied in. Lower lora_alpha, or use an earlier state of the training.`,
      details: { digest, module },
    });
  }
}

export class NonFiniteLogitsError extends EspalierError {
  constructor(pathDigest: string) {
    super({
      code: 'non_finite_logits',
      status: 500,
      message: `The model computed numbers that are not finite on the path ${pathDigest.slice(0, 12)}. An adapter on it overflows, or two that don't belong together: lower a weight in the path, or serve another revision.`,
      details: { pathDigest },
    });
  }
}

// --- storage and database -----------------------------------------------------------------------------------------

/** The disk can't take what was to be written. */
export class StorageFullError extends EspalierError {
  constructor(what: string, cause: unknown) {
    super(
      {
        code: 'storage_full',
        status: 507,
        message: `There is no room on the disk for ${what}. Nothing was kept of it. Make room where the data folder lies (ESPALIER_DATA), then try again.`,
      },
      { cause },
    );
  }
}

/** Disk full, quota used up, or a file larger than the file system or the process may make it. */
const OUT_OF_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error that callers get for what writing threw. */
export function explainWriteError(what: string, error: unknown): unknown {
  const full = error instanceof Error && 'code' in error && OUT_OF_ROOM.has(String(error.code));
  return full ? new StorageFullError(what, error) : error;
}

/** What callers send can be long; a message needs its beginning. */
function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** The database can't be reached or doesn't answer; what is in memory is still served. */
export class DatabaseUnavailableError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'database_unavailable',
        status: 503,
        message: 'The database is not available now, so nothing can be changed. Try again.',
        retryAfterSeconds: 5,
      },
      { cause },
    );
  }
}

/** The blobs can't be reached; what is cached is still served. */
export class StorageUnavailableError extends EspalierError {
  constructor(where: string, cause: unknown) {
    super(
      {
        code: 'storage_unavailable',
        status: 503,
        message: `The blob store ${where} can't be reached now. Try again.`,
        retryAfterSeconds: 5,
      },
      { cause },
    );
  }
}

/** The blob store answers, but not to us. */
export class StorageRefusedError extends EspalierError {
  constructor(where: string, reason: string, advice: string, cause: unknown) {
    super(
      { code: 'storage_refused', status: 500, message: `The blob store ${where} refuses (${reason}). ${advice}` },
      { cause },
    );
  }
}

export class BlobMissingError extends EspalierError {
  constructor(sha256: string, where: string) {
    super({
      code: 'blob_missing',
      status: 500,
      message: `The file ${sha256} isn't in the blob store ${where}. Restore it from a copy of the store, or push the adapter again.`,
      details: { sha256 },
    });
  }
}

/** The bytes aren't those that the digest stands for. */
export class BlobDamagedError extends EspalierError {
  constructor(sha256: string, found: { sha256: string; bytes: number }) {
    super({
      code: 'blob_damaged',
      status: 500,
      message: `The blob store holds other bytes under ${sha256} than were put there: ${found.bytes} bytes with the SHA-256 ${found.sha256}. Restore the file from a copy of the store, or push the adapter again.`,
      details: { sha256, found: found.sha256 },
    });
  }
}

/** Before they were recorded the files were removed, as nobody's. */
export class BlobVanishedError extends EspalierError {
  constructor(what: string) {
    super({
      code: 'blob_vanished',
      status: 409,
      message: `The files of ${what} were removed before they were recorded, because they were nobody's yet. Send it again.`,
    });
  }
}

/** More bytes came than may be stored. */
export class BlobTooLargeError extends EspalierError {
  constructor(limitBytes: number) {
    super({
      code: 'blob_too_large',
      status: 413,
      message: `The file is larger than ${limitBytes} bytes. ESPALIER_MAX_UPLOAD_MB sets the limit.`,
      details: { limitBytes },
    });
  }
}
