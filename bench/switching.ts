/**
 * What it takes to serve a path whose adapters are not in the bank, and to serve another path with every request.
 *
 * First token: one row at a time on a path of depth three, whose adapters are on disk (files that the operating system
 * has in its cache, as after a push), in host memory (folded; the bank is just large enough for one path, so others pushed
 * them out), in the bank, or none (bare base). Whole paths, and siblings that share all but their leaf. The cases take
 * turns; medians.
 *
 * Switching: short requests one after the other, all on one path, or each on another one of sixteen; once with a bank for
 * all sixteen, once with a bank for one path.
 *
 * Flags: --shape=111m|135m|wide|tiny, --rounds=15, --prompt=16, --tokens=16, --rank=8, --threads=0.
 */
import { join } from 'node:path';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { DirectEngine } from './support/direct-engine.js';
import { randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const ROUNDS = flag('rounds', 15);
const PROMPT = flag('prompt', 16);
const TOKENS = flag('tokens', 16);
const RANK = flag('rank', 8);
const DEPTH = 3;
const LIMITS: EngineLimits = {
  maxRows: 1,
  maxWaiting: 16,
  prefillChunkTokens: Math.max(128, PROMPT),
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 0),
};

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const { paths, nodes } = await writeRandomTree(join(folder, 'adapters'), source.config, RANK);
const [here = []] = paths;
const [trunk, branch, leaf] = here as readonly [AdapterUse, AdapterUse, AdapterUse];
const prompt = randomPrompt(PROMPT, SHAPE.vocab, 1);

process.stdout.write(
  `${describeShape(SHAPE)}\nfloat32, rank ${RANK} on every linear but lm_head, one row, ${PROMPT} prompt tokens\n\n`,
);

const narrow = await DirectEngine.start(source, { ...LIMITS, bankRankBudget: DEPTH * RANK }, folder);
await firstTokens(narrow);
const narrowRates = await switching(narrow);
await narrow.stop();
const roomy = await DirectEngine.start(source, LIMITS, folder);
const roomyRates = await switching(roomy);
await roomy.stop();
printTable([
  [`bank for all ${nodes.length} adapters`, roomyRates],
  ['bank for one path', narrowRates],
]);

async function firstTokens(engine: DirectEngine): Promise<void> {
  const elsewhere = copies(here, 'elsewhere');
  const ms = new Map<string, number[]>();
  const measure = async (name: string, adapters: readonly AdapterUse[]): Promise<void> => {
    const { firstTokenMs } = await engine.generate(adapters, prompt, 1);
    ms.set(name, [...(ms.get(name) ?? []), firstTokenMs]);
  };
  for (let round = 0; round <= ROUNDS; round++) {
    // The first round warms up.
    if (round === 1) ms.clear();
    await measure('base', []);
    // A digest that the engine has not seen is read from disk, whatever the file's name.
    await measure('disk', copies([trunk, branch, leaf], `path ${round}`));
    await engine.generate(elsewhere, prompt, 1);
    await measure('memory', here);
    await measure('bank', here);
    await measure('leaf on disk', [trunk, branch, ...copies([leaf], `leaf ${round}`)]);
    await measure('leaf in memory', here);
  }
  const of = (name: string): number => median(ms.get(name) ?? []);
  const compared = (name: string): string => {
    const more = of(name) - of('bank');
    const times = (of(name) / of('bank')).toFixed(2);
    return `${of(name).toFixed(1)} ms, ${times}× of a path in the bank (${more < 0 ? '' : '+'}${more.toFixed(1)} ms)`;
  };
  const megabytes = (adapterBytes() / 2 ** 20).toFixed(1);
  printTable([
    ['first token, path in the bank', `${of('bank').toFixed(1)} ms`],
    ['first token, bare base', compared('base')],
    [`first token, ${DEPTH} adapters in host memory`, compared('memory')],
    [`first token, ${DEPTH} adapters on disk`, compared('disk')],
    ['first token, leaf in host memory, the rest in the bank', compared('leaf in memory')],
    ['first token, leaf on disk, the rest in the bank', compared('leaf on disk')],
    ['an adapter', `${megabytes} MiB`],
  ]);
  process.stdout.write('\n');
}

/** Tokens per second of requests on another path each, to requests on one path. */
async function switching(engine: DirectEngine): Promise<string> {
  const staying: number[] = [];
  const moving: number[] = [];
  for (const path of [...paths, ...paths]) await engine.generate(path, prompt, 1);
  const { loads } = engine.stats.adapters.host;
  for (let round = 0; round < ROUNDS; round++) {
    await engine.generate(here, prompt, 1);
    for (let i = 0; i < 4; i++) staying.push((await engine.generate(here, prompt, TOKENS)).totalMs);
    for (let i = 0; i < 4; i++) {
      // Never the one before, which `here` may be.
      const path = paths[1 + ((round * 4 + i) % (paths.length - 1))] ?? here;
      moving.push((await engine.generate(path, prompt, TOKENS)).totalMs);
    }
  }
  if (engine.stats.adapters.host.loads > loads)
    throw new Error('Adapters were read from disk again: host memory is too small.');
  const rate = (ms: readonly number[]): number => (TOKENS * 1000) / median(ms);
  const ratio = rate(moving) / rate(staying);
  return (
    `another path with each request of ${TOKENS} tokens: ${ratio.toFixed(2)}× of staying on one ` +
    `(${rate(moving).toFixed(1)} to ${rate(staying).toFixed(1)} tokens/s)`
  );
}

/** The same files under digests of their own. */
function copies(uses: readonly AdapterUse[], name: string): AdapterUse[] {
  return uses.map((use) => ({ ...use, digest: `${use.digest}, ${name}` }));
}

function adapterBytes(): number {
  return source.config.layers * RANK * widths() * Float32Array.BYTES_PER_ELEMENT;
}

/** in + out over the linears of a layer. */
function widths(): number {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim } = source.config;
  return 4 * hiddenSize + 2 * (heads + kvHeads) * headDim + 3 * (hiddenSize + intermediateSize);
}
