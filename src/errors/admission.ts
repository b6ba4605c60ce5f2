/** Requests that the engine has no room for, now or ever, and the one whose reader doesn't keep up. */
import { EspalierError } from './espalier-error.js';

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
