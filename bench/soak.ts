/**
 * Memory over many steps while adapters come and go: `npm run bench -- soak --device=webgpu --steps=10000`. Rows of random
 * paths of the test checkpoint join and leave; the bank holds a part of their adapters. Fails where memory at the
 * end is more than 2% above that after warm-up: the first two fifths, in which the heap and the runtime's arena find their
 * sizes.
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
const probe = () => Promise.resolve({ usable: true, software: true } as const);
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

const samples: { step: number; rssBytes: number; gpuBytes: number }[] = [];
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
  if (samples.length < Math.floor((20 * done) / steps)) {
    globalThis.gc?.();
    samples.push({ step: done, rssBytes: process.memoryUsage.rss(), gpuBytes: memory.device.gpuBytes });
    process.stdout.write(`${JSON.stringify(samples.at(-1))}\n`);
  }
}
await model.release();
await memory.device.release();
const [warm, last] = [samples[7], samples.at(-1)];
if (warm === undefined || last === undefined) throw new Error('too few steps to judge');
const growth = last.rssBytes / warm.rssBytes - 1;
process.stdout.write(
  `${choice}: ${done} steps, resident memory ${(100 * growth).toFixed(1)}% above that after warm-up\n`,
);
if (growth > 0.02 || last.gpuBytes > warm.gpuBytes * 1.02) process.exitCode = 1;
