/** Keys: which are taken, what they may do, how much in a minute, and how they are changed. */
import { clip, EspalierError } from './espalier-error.js';

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
