/**
 * Memory over many steps while adapters come and go: `npm run bench -- soak --device=webgpu --steps=10000`. Rows of random
 * paths of the test checkpoint join and leave; the bank holds a part of their adapters. Fails where memory in the last tenth
 * of the steps is more than 2% above that after warm-up, which is the first fifth; medians of five samples each.
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
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { readAdapter } from '../src/formats/peft/read-adapter.js';
import { median } from './support/measure.js';

const { values } = parseArgs({
  options: { device: { type: 'string', default: 'cpu' }, steps: { type: 'string', default: '10000' } },
  strict: false,
});
const choice = DEVICE_CHOICES.find((each) => each === values.device) ?? 'cpu';
const steps = Number(values.steps);
const fixture = join(process.cwd(), 'test/fixtures/golden/llama');
const limits: EngineLimits = {
  maxRows: 4,
  maxWaiting: 4,
  prefillChunkTokens: 64,
  kvBudgetBytes: 16e6,
  bankRankBudget: 18,
  hostBudgetBytes: 30_000,
  threads: 1,
};
const probe = () => Promise.resolve({ usable: true, software: true, float16: false } as const);
const memory = new EngineMemory(limits, undefined, new EngineDevice(choice, probe));
const model = await loadModel({ digest: 'soak', folder: join(fixture, 'base') }, limits, memory);

const uses: AdapterUse[] = [];
for (const name of readdirSync(join(fixture, 'adapters'))) {
  const folder = join(fixture, 'adapters', name);
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
  const tokens = Array.from({ length: 1 + (turn % 40) }, (_, i) => (i * 7 + turn) % model.config.vocabSize);
  if (!model.bank.acquire(adapters) || !model.kv.open(row, tokens.length)) throw new Error('no room for one row');
  for (let start = 0, count = tokens.length; start < tokens.length + 8; start += count, count = 1, done++) {
    if (!model.kv.grow(row, start + count)) throw new Error('no room for one row');
    const computed = start === 0 ? tokens : [start % model.config.vocabSize];
    await model.run([{ row, tokens: computed, start, adapters, logitsAt: [computed.length - 1] }]);
  }
  model.kv.close(row);
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
  `${choice}: ${done} steps, resident memory ${(100 * resident).toFixed(1)}% above that after warm-up\n`,
);
if (Math.max(resident, gpu) > 0.02) process.exitCode = 1;
