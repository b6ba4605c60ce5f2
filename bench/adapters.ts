/**
 * Many adapters, and memory for few: 5, 100 and 1,000 registered adapters under Zipf traffic, in engines whose host memory
 * and bank hold a tenth of the thousand.
 *
 * Closed loop: as many requests as the batch has rows are always under way, each on one adapter below the base. The three
 * engines take turns, a slice each; before what is measured come requests that fill their memory. Adapters share `files`
 * files on disk, each under a digest of its own, which is all that the engine knows them by: the operating system has the
 * files in its cache, as it has after a push. Bar: at 1,000 adapters at least 0.9× of the tokens per second at 5.
 *
 * Then what a miss costs: the first token of a row alone, on an adapter that is found in host memory (whose rows in the
 * bank were overwritten) or read from disk, against one in the bank.
 *
 * Flags: --shape=26m|111m|135m|wide|tiny, --rounds=5, --slice=64 requests, --prompt=32, --tokens=32, --rank=8, --rows=16,
 * --exponent=1, --files=100, --warm-up=400, --threads=0.
 */
import { join } from 'node:path';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { DirectEngine, type Timing } from './support/direct-engine.js';
import { randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable, quantile } from './support/measure.js';
import { writeRandomAdapter } from './support/random-adapter.js';
import { writeRandomModel } from './support/random-model.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { ZipfDraws } from './support/zipf.js';

const SHAPE = shapeFlag('26m');
const REGISTERED = [5, 100, 1000];
const HELD = 100;
const ROUNDS = flag('rounds', 5);
const SLICE = flag('slice', 64);
const PROMPT = flag('prompt', 32);
const TOKENS = flag('tokens', 32);
const RANK = flag('rank', 8);
const ROWS = flag('rows', 16);
const EXPONENT = flag('exponent', 1);
const FILES = flag('files', 100);
/** Requests of one token each that fill host memory and bank before anything is measured. */
const WARM_UP = flag('warm-up', 400);
const BAR = 0.9;

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const files: { configFile: string; weightsFile: string }[] = [];
for (let i = 0; i < FILES; i++) {
  files.push(await writeRandomAdapter(join(folder, 'adapters', String(i)), source.config, RANK, i + 1));
}
const adapterBytes = Math.round(RANK * source.config.layers * widths() * Float32Array.BYTES_PER_ELEMENT);
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  prefillChunkTokens: Math.max(128, PROMPT),
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: HELD * RANK,
  hostBudgetBytes: HELD * adapterBytes,
  threads: flag('threads', 0),
};
const prompt = randomPrompt(PROMPT, SHAPE.vocab, 1);

process.stdout.write(
  `${describeShape(SHAPE)}\nadapters of rank ${RANK} on every linear but lm_head, ${(adapterBytes / 2 ** 20).toFixed(1)} MiB each, ` +
    `on ${FILES} files; host memory for ${HELD}, bank of ${LIMITS.bankRankBudget} rank rows\n${ROWS} rows, ${PROMPT} prompt ` +
    `tokens, ${TOKENS} generated, Zipf exponent ${EXPONENT}, ${ROUNDS} slices of ${SLICE} requests\n\n`,
);

interface Population {
  registered: number;
  engine: DirectEngine;
  draws: ZipfDraws;
  /** Tokens per second of each slice, and per second of the processor's time. */
  rates: number[];
  cpuRates: number[];
  firstTokenMs: number[];
}

const populations: Population[] = [];
for (const registered of REGISTERED) {
  const engine = await DirectEngine.start(source, LIMITS, folder);
  const population = {
    registered,
    engine,
    draws: new ZipfDraws(registered, EXPONENT, registered),
    rates: [],
    cpuRates: [],
    firstTokenMs: [],
  };
  await slice(population, Math.min(WARM_UP, 4 * registered), 1);
  await slice(population, ROWS, TOKENS);
  populations.push(population);
}
const before = populations.map(({ engine }) => engine.stats);
for (let round = 0; round < ROUNDS; round++) {
  for (const population of populations) {
    const { seconds, cpuSeconds, timings } = await slice(population, SLICE, TOKENS);
    population.rates.push((SLICE * TOKENS) / seconds);
    population.cpuRates.push((SLICE * TOKENS) / cpuSeconds);
    population.firstTokenMs.push(...timings.map(({ firstTokenMs }) => firstTokenMs));
  }
}
const rateOf = ({ rates }: Population): number => median(rates);
const [few] = populations as [Population];
for (const [index, population] of populations.entries()) {
  const { registered, engine, rates, cpuRates, firstTokenMs } = population;
  const { adapters, steps } = engine.stats;
  const from = before[index]?.adapters;
  if (from === undefined) continue;
  const bank = adapters.bank.hits - from.bank.hits;
  const host = adapters.host.hits - from.host.hits;
  const misses = adapters.misses - from.misses;
  const all = bank + host + misses;
  const share = (count: number): string => `${((count / all) * 100).toFixed(1)}%`;
  const loads = adapters.host.loads - from.host.loads;
  const ms = Float64Array.from(firstTokenMs);
  const ratio = ratioTo(few.rates, rates);
  printTable([
    [`${registered} adapters`, `${rateOf(population).toFixed(1)} tokens/s, ${ratio.toFixed(2)}× of ${few.registered}`],
    [
      "  by the processor's clock",
      `${median(cpuRates).toFixed(1)} tokens/s, ${ratioTo(few.cpuRates, cpuRates).toFixed(2)}× of ${few.registered}`,
    ],
    ['  first token', `median ${quantile(ms, 0.5).toFixed(0)} ms, 9 of 10 within ${quantile(ms, 0.9).toFixed(0)} ms`],
    ['  found', `bank ${share(bank)}, host memory ${share(host)}, read from disk ${share(misses)}`],
    [
      '  memory',
      `bank ${mib(adapters.bank.bytes)} for ${adapters.bank.adapters}, host ${mib(adapters.host.bytes)} for ${adapters.host.adapters}`,
    ],
    [
      '  evicted',
      `bank ${adapters.bank.evictions - from.bank.evictions}, host ${adapters.host.evictions - from.host.evictions}`,
    ],
    [
      '  a load',
      loads === 0 ? 'none' : `${(((adapters.loadSeconds - from.loadSeconds) / loads) * 1000).toFixed(1)} ms`,
    ],
    ['  steps', `${steps - (before[index]?.steps ?? 0)}`],
  ]);
}
const many = populations.at(-1) as Population;
const reached = ratioTo(few.rates, many.rates);
printTable([[`bar: ${many.registered} adapters ≥ ${BAR}× of ${few.registered}`, reached >= BAR ? 'met' : 'MISSED']]);
await printMiss(few.engine);
for (const { engine } of populations) await engine.stop();

async function printMiss(engine: DirectEngine): Promise<void> {
  const ms = { bank: [] as number[], host: [] as number[], disk: [] as number[] };
  for (let round = 0; round < 2 * ROUNDS + 1; round++) {
    const first = async (index: number): Promise<number> =>
      (await engine.generate([adapter(index)], prompt, 1)).firstTokenMs;
    // None of them was asked for before, and each takes the rows of the one that ended before it.
    ms.disk.push(await first(10_000 + round));
    await first(0);
    ms.host.push(await first(10_000 + round));
    ms.bank.push(await first(10_000 + round));
  }
  const bank = median(ms.bank);
  printTable(
    (['bank', 'host', 'disk'] as const).map((tier) => [
      `first token of a row alone, adapter ${tier === 'bank' ? 'in the bank' : tier === 'host' ? 'in host memory' : 'on disk'}`,
      `${median(ms[tier]).toFixed(1)} ms (+${(median(ms[tier]) - bank).toFixed(1)})`,
    ]),
  );
}

/** Of slices that took turns. */
function ratioTo(base: readonly number[], rates: readonly number[]): number {
  return median(rates.map((rate, round) => rate / (base[round] ?? NaN)));
}

/** So many requests, `ROWS` of them under way at any time. */
async function slice(
  { engine, draws }: Pick<Population, 'engine' | 'draws'>,
  requests: number,
  tokens: number,
): Promise<{ seconds: number; cpuSeconds: number; timings: Timing[] }> {
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const timings: Timing[] = [];
  let left = requests;
  const client = async (): Promise<void> => {
    while (left-- > 0) timings.push(await engine.generate([adapter(draws.next())], prompt, tokens));
  };
  await Promise.all(Array.from({ length: ROWS }, client));
  const { user, system } = process.cpuUsage(startCpu);
  return { seconds: (performance.now() - startMs) / 1000, cpuSeconds: (user + system) / 1e6, timings };
}

function adapter(index: number): AdapterUse {
  const file = files[index % FILES];
  if (file === undefined) throw new Error('--files must be one or more.');
  const { configFile, weightsFile } = file;
  return { digest: `adapter ${index}`, weight: 1, rank: RANK, configFile, weightsFile };
}

/** in + out over the linears of a layer. */
function widths(): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = source.config;
  return 4 * hiddenSize + 2 * (heads + kvHeads) * headDim + 3 * (hiddenSize + intermediateSize);
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
