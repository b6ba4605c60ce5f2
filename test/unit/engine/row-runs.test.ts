import { GREEDY, type GenerationRequest } from '../../../src/engine/protocol.js';
import { randomNumbers } from '../../../src/engine/random.js';
import { type RowModel, RowRuns } from '../../../src/engine/row-runs.js';
import type { BlockPlace } from '../../../src/engine/run-logits.js';
import { Sequence } from '../../../src/engine/sequence.js';
import { LOGIT_BLOCK } from '../../../src/graph/logit-blocks.js';
import { PlainLogits } from './support/plain-logits.js';

const VOCAB = 5 * LOGIT_BLOCK;
const STEPS = 6;

function request(id: string, seed: number): GenerationRequest {
  return {
    id,
    model: { digest: 'model', folder: '/model' },
    adapters: [],
    pathDigest: id,
    prompt: [1],
    maxTokens: STEPS,
    stopTokenIds: [],
    minTokens: 0,
    sampling: { ...GREEDY, temperature: 1, seed },
    logprobs: null,
    scoreFrom: null,
  };
}

/** Logits that can't be read where it says so. */
class FailingLogits extends PlainLogits {
  readonly #fails: () => boolean;

  constructor(positions: readonly Float32Array[], fails: () => boolean) {
    super(positions);
    this.#fails = fails;
  }

  override read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    return this.#fails() ? Promise.reject(new Error('the device is gone')) : super.read(wanted);
  }
}

/** The tokens of two rows; every `failing`th reading of their logits fails. */
async function tokensOf(failing: number): Promise<number[][]> {
  const random = randomNumbers(9);
  const logits = Array.from({ length: STEPS }, () =>
    [0, 1].map(() => Float32Array.from({ length: VOCAB }, () => 4 * random())),
  );
  let readings = 0;
  let step = 0;
  const model: RowModel = {
    config: { vocabSize: VOCAB } as RowModel['config'],
    run: (rows) => {
      const ofRows = rows.map(({ row }) => logits[step]![row === 'first' ? 0 : 1]!);
      const run = new FailingLogits(ofRows, () => ++readings % failing === 0);
      return Promise.resolve(rows.map((_, first) => ({ run, first, count: 1, finite: true })));
    },
  };
  const runs = new RowRuns(model);
  const sequences = [new Sequence(request('first', 3), 0), new Sequence(request('second', 4), 1)];
  for (; step < STEPS; step++) {
    const scheduled = sequences.map((sequence) => ({ sequence, count: 1, logitsAt: [0] }));
    const results = await runs.run([scheduled]);
    for (const [i, result] of results.entries()) {
      if (!Array.isArray(result)) throw new Error(result.message);
      sequences[i]!.computed++;
      sequences[i]!.append(result[0]!.token);
    }
  }
  return sequences.map(({ tokens }) => tokens);
}

test('a reading that fails and is tried again takes no other random number', async () => {
  const undisturbed = await tokensOf(Infinity);
  expect(undisturbed[0]).not.toEqual(undisturbed[1]);
  // Of three readings in a row, the rows' together and each one's alone, one fails.
  expect(await tokensOf(4)).toEqual(undisturbed);
});
