/**
 * Memory over many steps while adapters come and go: `npm run bench -- soak --device=webgpu --steps=10000`. Rows of random
 * paths of the test checkpoint join and leave; the bank holds a part of their adapters. Fails where memory in the last tenth
 * of the steps is more than 2% above that after warm-up, which is the first fifth; medians of five samples each.
 *
 * On a GPU rows also leave what they computed in its KV pool, and begin with what others left, of which the oldest goes.
 * The checkpoint is a tiny one of random numbers there, because software may stand for the GPU.
 *
 * `npm run bench` starts it with V8's young generation at its full size, which it would grow to at some step of its own
 * choice. docs/performance.md says what else grows in the warm-up.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEVICE_CHOICES } from '../src/engine/device-choice.js';
import { EngineDevice } from '../src/engine/engine-device.js';
import { loadModel } from '../src/engine/load-model.js';
import { EngineMemory } from '../src/engine/loaded-model.js';
import { LogitReader } from '../src/engine/logit-reader.js';
import { type AdapterUse, type EngineLimits, GREEDY, type SamplingParams } from '../src/engine/protocol.js';
import { readAdapter } from '../src/formats/peft/read-adapter.js';
import { median } from './support/measure.js';
import { writeRandomAdapter } from './support/random-adapter.js';
import { writeRandomModel } from './support/random-model.js';
import { temporaryFolder } from './support/temporary-folder.js';

const { values } = parseArgs({
  options: { device: { type: 'string', default: 'cpu' }, steps: { type: 'string', default: '10000' } },
  strict: false,
});
const choice = DEVICE_CHOICES.find((each) => each === values.device) ?? 'cpu';
const steps = Number(values.steps);
const onGpu = choice === 'webgpu';
const limits: EngineLimits = {
  maxRows: 4,
  maxWaiting: 4,
  prefillChunkTokens: 64,
  kvBudgetBytes: 16e6,
  // Some ten blocks.
  prefixBudgetBytes: onGpu ? 100_000 : 0,
  bankRankBudget: 18,
  // The largest adapter of the test checkpoint, and little more.
  hostBudgetBytes: 60_000,
  threads: 1,
};
const probe = () => Promise.resolve({ usable: true, software: true, float16: false } as const);
const memory = new EngineMemory(limits, undefined, new EngineDevice(choice, probe));
const { base, adapters: folders } = onGpu ? await tinyModel() : fixture();
const model = await loadModel({ digest: 'soak', folder: base }, limits, memory);

const uses: AdapterUse[] = [];
for (const folder of folders) {
  const configFile = join(folder, 'adapter_config.json');
  const weightsFile = join(folder, 'adapter_model.safetensors');
  const { digest, rank } = await readAdapter({ configFile, weightsFile }, { config: model.config, origins: [] });
  uses.push({ digest, rank, weight: 1, configFile, weightsFile });
}

interface Sample {
  step: number;
  rssBytes: number;
  /** What of it V8 has for its heap, and what lives there. */
  heapBytes: number;
  heapUsedBytes: number;
  /** Of typed arrays. */
  arrayBytes: number;
  gpuBytes: number;
}
const SAMPLES = 50;
/** Every way in which a token is drawn: the likeliest, by all weights, by each cut, from changed scores. */
const SAMPLINGS: readonly SamplingParams[] = [
  GREEDY,
  { ...GREEDY, temperature: 1 },
  { ...GREEDY, temperature: 1, topP: 0.9 },
  { ...GREEDY, temperature: 1, topK: 20 },
  { ...GREEDY, temperature: 1, minP: 0.1 },
  { ...GREEDY, temperature: 1, logitBias: { 1: 5 } },
];
const NOTHING_YET = { seen: new Set<number>(), generated: new Map<number, number>() };
const reader = new LogitReader(model.config.vocabSize);
const samples: Sample[] = [];
let done = 0;
for (let turn = 0; done < steps; turn++) {
  const use = uses[turn % uses.length];
  if (use === undefined) throw new Error('the fixture has no adapters');
  const adapters = turn % 5 === 4 ? [] : [use];
  for (const each of adapters) {
    model.bank.prefetch(each);
    while (model.bank.state(each.digest) === 'loading') await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const row = `row ${turn}`;
  const length = onGpu ? 1 + 10 * (turn % 8) : 1 + (turn % 40);
  const first = onGpu ? turn % 2 : turn;
  const tokens = Array.from({ length }, (_, i) => (i * 7 + first) % model.config.vocabSize);
  const contents = { scope: adapters.map(({ digest }) => digest).join(), tokens: [...tokens] };
  const opened = model.bank.acquire(adapters) && model.kv.open(row, length, { ...contents, most: length - 1 });
  if (!opened) throw new Error('no room for one row');
  let start = model.kv.reused?.(row) ?? 0;
  for (let computed = tokens.slice(start); start < length + 8; done++) {
    if (!model.kv.grow(row, start + computed.length)) throw new Error('no room for one row');
    const [logits] = await model.run([{ row, tokens: computed, start, adapters, logitsAt: [computed.length - 1] }]);
    if (logits?.finite !== true) throw new Error('a row has no logits');
    start += computed.length;
    const sampling = SAMPLINGS[done % SAMPLINGS.length] ?? GREEDY;
    const logprobs = Math.floor(done / SAMPLINGS.length) % 2 === 0 ? 3 : null;
    const reading = { run: logits.run, position: logits.first, logprobs, sampling };
    await reader.read([{ ...reading, history: NOTHING_YET, random: Math.random, barred: [] }]);
    // Whatever was drawn, so that rows begin with what others left.
    computed = [start % model.config.vocabSize];
    contents.tokens.push(...computed);
  }
  model.kv.close(row, contents);
  model.bank.release(adapters);
  if (samples.length < Math.floor((SAMPLES * done) / steps)) {
    globalThis.gc?.();
    const { rss, heapTotal, heapUsed, arrayBuffers } = process.memoryUsage();
    samples.push({
      step: done,
      rssBytes: rss,
      heapBytes: heapTotal,
      heapUsedBytes: heapUsed,
      arrayBytes: arrayBuffers,
      gpuBytes: memory.device.gpuBytes,
    });
    process.stdout.write(`${JSON.stringify(samples.at(-1))}\n`);
  }
}
await model.release();
await memory.device.release();
if (samples.length < SAMPLES) throw new Error('too few steps to judge');
const growth = (part: keyof Sample): number => {
  const after = (share: number): number =>
    median(samples.slice(share * SAMPLES, (share + 0.1) * SAMPLES).map((sample) => sample[part]));
  const [warm, last] = [after(0.2), after(0.9)];
  return warm === 0 ? last : last / warm - 1;
};
const [resident, gpu] = [growth('rssBytes'), growth('gpuBytes')];
process.stdout.write(
  `${choice}: ${done} steps, resident memory ${(100 * resident).toFixed(1)}% above that after warm-up, ` +
    `a GPU's ${(100 * gpu).toFixed(1)}%; ${memory.prefixes.counts.hits} rows began with what others left\n`,
);
if (Math.max(resident, gpu) > 0.02) process.exitCode = 1;

interface Workload {
  base: string;
  adapters: string[];
}

/** The checkpoint of the tests, with its adapters. */
function fixture(): Workload {
  const folder = join(process.cwd(), 'test/fixtures/golden/llama');
  const adapters = join(folder, 'adapters');
  return { base: join(folder, 'base'), adapters: readdirSync(adapters).map((name) => join(adapters, name)) };
}

/** One layer, so that a step is few operators. */
async function tinyModel(): Promise<Workload> {
  const folder = await temporaryFolder();
  const shape = { hidden: 32, intermediate: 32, layers: 1, heads: 2, kvHeads: 1, headDim: 16, vocab: 600 };
  const { folder: base, config } = await writeRandomModel(join(folder, 'base'), { name: 'soak', ...shape }, 256);
  const adapters = Array.from({ length: 5 }, (_, i) => join(folder, `adapter-${i}`));
  for (const [i, adapter] of adapters.entries()) await writeRandomAdapter(adapter, config, 6, i);
  return { base, adapters };
}
