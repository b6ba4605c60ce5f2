/**
 * What a key may use in a minute: requests, and tokens of prompts and answers together. Counted in this process alone,
 * in memory: each of several instances grants the limit, and a restart begins anew. A key's minute begins with its first
 * use, and at its end all is there again.
 *
 * Tokens are taken before they are known: the prompts', and as many as the request asks to generate. In the end what
 * wasn't used is given back; what came on top, where the request named no number, is taken from what is left.
 */
import type { FastifyReply } from 'fastify';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';
import { OverTokenLimitError, RateLimitedError } from '../errors/access.js';
import type { Caller } from './scope.js';

export type Limited = 'requests' | 'tokens';

export interface Reservation {
  /** With how many were used in the end. The first call counts. */
  settle(tokens: number): void;
}

const MINUTE_S = 60;
const UNLIMITED: Reservation = { settle: () => undefined };

export class RateLimits {
  // Limits differ by key: these count alone, and their own limit means nothing.
  readonly #requests = new RateLimiterMemory({ points: 1, duration: MINUTE_S });
  readonly #tokens = new RateLimiterMemory({ points: 1, duration: MINUTE_S });

  /** Counts a request, refused ones too. */
  async countRequest({ keyId, limits: { requestsPerMinute: limit } }: Caller, reply: FastifyReply): Promise<void> {
    if (limit === null || keyId === null) return;
    const used = await this.#requests.penalty(keyId);
    tell(reply, 'requests', limit, used);
    if (used.consumedPoints > limit) throw new RateLimitedError('requests', limit, seconds(used));
  }

  /** Takes tokens that a request may come to use. */
  async reserveTokens(
    { keyId, limits: { tokensPerMinute: limit } }: Caller,
    reply: FastifyReply,
    tokens: number,
  ): Promise<Reservation> {
    if (limit === null || keyId === null) return UNLIMITED;
    if (tokens > limit) throw new OverTokenLimitError(tokens, limit);
    const used = await this.#tokens.penalty(keyId, tokens);
    if (used.consumedPoints > limit) {
      tell(reply, 'tokens', limit, await this.#tokens.reward(keyId, tokens));
      throw new RateLimitedError('tokens', limit, seconds(used));
    }
    tell(reply, 'tokens', limit, used);
    return this.#reservation(keyId, tokens, Date.now() + used.msBeforeNext);
  }

  #reservation(keyId: string, reserved: number, endsAt: number): Reservation {
    let settled = false;
    return {
      settle: (tokens) => {
        if (settled) return;
        settled = true;
        if (tokens > reserved) void this.#tokens.penalty(keyId, tokens - reserved);
        // Another minute has begun with all of them.
        else if (Date.now() < endsAt) void this.#tokens.reward(keyId, reserved - tokens);
      },
    };
  }
}

/** In the headers that OpenAI's clients know. */
function tell(reply: FastifyReply, of: Limited, limit: number, used: RateLimiterRes): void {
  void reply
    .header(`x-ratelimit-limit-${of}`, limit)
    .header(`x-ratelimit-remaining-${of}`, Math.max(limit - used.consumedPoints, 0))
    .header(`x-ratelimit-reset-${of}`, `${(used.msBeforeNext / 1000).toFixed(3)}s`);
}

function seconds({ msBeforeNext }: RateLimiterRes): number {
  return Math.max(Math.ceil(msBeforeNext / 1000), 1);
}
