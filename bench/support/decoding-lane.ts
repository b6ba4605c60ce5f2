/** A lane (schedule → run → sample, as the engine has them) whose rows have their prompts behind them. */
import { setTimeout as delay } from 'node:timers/promises';
import { Lane, type LaneModel } from '../../src/engine/lane.js';
import type { AdapterUse, EngineLimits, GenerationRequest, ModelSource, RowOutput } from '../../src/engine/protocol.js';
import { greedyRequest, randomPrompt } from './greedy-request.js';
import { clockMs } from './measure.js';

export interface DecodingOptions {
  source: ModelSource;
  limits: EngineLimits;
  /** Tokens of each row's prompt, or of the row at a place. */
  prompt: number | ((row: number) => number);
  vocab: number;
  /** Steps that each row has to go. */
  steps: number;
  /** What rows ask for that isn't greedy. */
  asked?: Pick<GenerationRequest, 'sampling' | 'logprobs'>;
}

/** One row for each path. */
export async function decodingLane(
  model: LaneModel,
  rows: readonly (readonly AdapterUse[])[],
  { source, limits, prompt, vocab, steps, asked }: DecodingOptions,
): Promise<Lane> {
  // Else rows whose adapters come from disk first would begin before the others.
  for (const use of rows.flat()) {
    model.bank.prefetch(use);
    while (model.bank.state(use.digest) === 'loading') await delay(1);
  }
  const lane = new Lane(model, limits, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });
  for (const [i, adapters] of rows.entries()) {
    const length = typeof prompt === 'number' ? prompt : prompt(i);
    lane.submit({ ...greedyRequest(source, adapters, randomPrompt(length, vocab, i), steps + 1), ...asked });
  }
  const begun = new Set<string>();
  while (begun.size < rows.length) {
    const { outputs } = await lane.step();
    for (const output of outputs) begun.add(tokenOf(output).id);
  }
  return lane;
}

/** ms of one step, by the clock that is asked for. */
export async function timedStep(lane: Lane): Promise<number> {
  const startMs = clockMs();
  const { outputs } = await lane.step();
  const ms = clockMs() - startMs;
  for (const output of outputs) tokenOf(output);
  return ms;
}

/** A row that failed would make its lane look fast. */
function tokenOf(output: RowOutput): RowOutput {
  if (output.token === undefined) throw new Error(`A row gave no token: ${output.error?.message ?? 'it ended'}`);
  return output;
}
