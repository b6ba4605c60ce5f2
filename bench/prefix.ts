/**
 * How much sooner a prompt's first token comes when its beginning is cached: the same prompt again, and the second turn of
 * a chat, against prompts that are new. They take turns. Bar: five times sooner for a prompt of 400 tokens that is repeated.
 *
 * Flags: --shape=111m|135m|wide|tiny, --prompt=400, --answer=32, --turn=32, --rounds=8, --threads=0.
 */
import { join } from 'node:path';
import { Lane } from '../src/engine/lane.js';
import type { EngineLimits } from '../src/engine/protocol.js';
import { greedyRequest, randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { wholeModel } from './support/whole-model.js';

const SHAPE = shapeFlag();
const PROMPT = flag('prompt', 400);
const ANSWER = flag('answer', 32);
/** What the second turn adds. */
const TURN = flag('turn', 32);
const ROUNDS = flag('rounds', 8);
const BAR = 5;
const LIMITS: EngineLimits = {
  maxRows: 16,
  maxWaiting: 16,
  prefillChunkTokens: 128,
  kvBudgetBytes: 2 ** 30,
  prefixBudgetBytes: 2 ** 29,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

interface Answer {
  tokens: number[];
  cachedTokens: number;
  firstTokenMs: number;
}

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const model = await wholeModel(source, LIMITS, folder);
const lane = new Lane(model, LIMITS, { steps: 0, promptTokens: 0, generatedTokens: 0, preemptions: 0 });

const kinds = { fresh: [] as Answer[], again: [] as Answer[], turn: [] as Answer[] };
// The first run of each shape finds the machine cold.
for (let round = -1; round < ROUNDS; round++) {
  const prompt = randomPrompt(PROMPT, SHAPE.vocab, round + 2);
  const fresh = await answer(prompt);
  const again = await answer(prompt);
  const turn = await answer([...prompt, ...fresh.tokens, ...randomPrompt(TURN, SHAPE.vocab, 1000 + round)]);
  if (again.tokens.join() !== fresh.tokens.join()) throw new Error('The same prompt got another answer.');
  if (round < 0) continue;
  kinds.fresh.push(fresh);
  kinds.again.push(again);
  kinds.turn.push(turn);
}

const firstTokenMs = (answers: readonly Answer[]): number => median(answers.map((each) => each.firstTokenMs));
const freshMs = firstTokenMs(kinds.fresh);
const againMs = firstTokenMs(kinds.again);
const turnMs = firstTokenMs(kinds.turn);
const cached = (answers: readonly Answer[]): string => `${answers.at(-1)?.cachedTokens ?? 0} tokens cached`;
process.stdout.write(`${describeShape(SHAPE)}\nfirst token, median of ${ROUNDS}\n\n`);
printTable([
  [`a new prompt of ${PROMPT} tokens`, `${freshMs.toFixed(1)} ms`],
  ['the same again', `${againMs.toFixed(1)} ms, ${(freshMs / againMs).toFixed(1)}× sooner, ${cached(kinds.again)}`],
  [
    `with its answer of ${ANSWER} and ${TURN} more`,
    `${turnMs.toFixed(1)} ms, ${(freshMs / turnMs).toFixed(1)}× sooner than the shorter new one, ${cached(kinds.turn)}`,
  ],
  [`bar: the same again ≥ ${BAR}× sooner`, freshMs / againMs >= BAR ? 'met' : 'MISSED'],
]);
await model.release();

async function answer(prompt: readonly number[]): Promise<Answer> {
  const request = { ...greedyRequest(source, [], prompt, ANSWER), cacheScope: 'bench' };
  const result: Answer = { tokens: [], cachedTokens: 0, firstTokenMs: 0 };
  const startMs = performance.now();
  lane.submit(request);
  while (lane.busy) {
    for (const { token, cachedTokens = 0, error } of (await lane.step()).outputs) {
      if (error !== undefined) throw new Error(error.message);
      if (result.tokens.length === 0) result.firstTokenMs = performance.now() - startMs;
      result.cachedTokens += cachedTokens;
      if (token !== undefined) result.tokens.push(token);
    }
  }
  return result;
}
