/**
 * Beside what a team would use instead, on the same checkpoint, adapters and prompts, in float32 and on as many threads:
 * transformers + PEFT (adapters set anew for each request, and one batch of mixed adapters) and node-llama-cpp (the bare
 * base). Rows of 32 prompt tokens get 32 new ones, prompts included in the time.
 *
 * The peers are the scripts of bench/peers, each in an environment of its own, which may be missing: then this says how to
 * set it up. They take turns with Espalier's engine; medians of the rounds.
 *
 * Flags: --shape=111m|135m|wide|tiny, --rounds=2, --rows=16, --prompt=32, --tokens=32, --threads=2, --rank=8.
 * Environment: PYTHON, one that has what bench/peers/requirements.txt lists.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterUse, EngineLimits } from '../src/engine/protocol.js';
import { DirectEngine } from './support/direct-engine.js';
import { packageVersion, type Figure } from './support/figure.js';
import { randomPrompt } from './support/greedy-request.js';
import { flag, median, printTable } from './support/measure.js';
import { type Peer, nodeLlamaCpp, transformersPeft } from './support/peer.js';
import { writeRandomModel } from './support/random-model.js';
import { writeRandomTree } from './support/random-tree.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const SHAPE = shapeFlag();
const ROUNDS = flag('rounds', 2);
const ROWS = flag('rows', 16);
const PROMPT = flag('prompt', 32);
const TOKENS = flag('tokens', 32);
const RANK = flag('rank', 8);
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  // As the service has it.
  prefillChunkTokens: 128,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  threads: flag('threads', 2),
};
/** Requests of the cases that run one at a time, but for switching, which takes every row. */
const ONE_BY_ONE = Math.min(4, ROWS);

/** What is compared: our figure, and those of the peers. */
const CASES = [
  { title: 'bare base, one row', ours: 'espalier/one-row', theirs: ['transformers/one-row', 'node-llama-cpp/one-row'] },
  { title: `bare base, ${ROWS} rows`, ours: 'espalier/batch', theirs: ['transformers/batch', 'node-llama-cpp/batch'] },
  { title: 'a path of depth 3, one row', ours: 'espalier+paths/one-row', theirs: ['transformers+peft/one-row'] },
  {
    title: `${ROWS} paths, one request after the other`,
    ours: 'espalier+paths/switching',
    theirs: ['transformers+peft/switching'],
  },
  { title: `${ROWS} paths, one batch`, ours: 'espalier+paths/mixed', theirs: ['transformers+peft/mixed'] },
];

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'checkpoint'), SHAPE);
const tree = await writeRandomTree(join(folder, 'adapters'), source.config, RANK);
const rows = Array.from({ length: ROWS }, (_, i) => ({
  prompt: randomPrompt(PROMPT, SHAPE.vocab, i),
  adapters: tree.paths[i % tree.paths.length] ?? [],
}));
const workload = await writeWorkload();
const engine = await DirectEngine.start(source, LIMITS);
for (const { adapters, prompt } of rows) await engine.generate(adapters, prompt, 1);

const peers: Peer[] = [];
for (const make of [transformersPeft, nodeLlamaCpp]) {
  const peer = await make(workload, folder);
  if (typeof peer === 'string') process.stdout.write(`${peer}\n\n`);
  else peers.push(peer);
}
const figures: Figure[] = [];
for (let round = 0; round < ROUNDS; round++) {
  figures.push(...(await espalier()));
  for (const peer of peers) figures.push(...(await peer()));
}
await engine.stop();
report();

/** What the scripts of bench/peers read. */
async function writeWorkload(): Promise<string> {
  const file = join(folder, 'workload.json');
  const folderOf = new Map(tree.nodes.map((node) => [node.use.digest, node.folder]));
  const asked = rows.map(({ prompt, adapters }) => ({
    prompt,
    adapters: adapters.map((use) => folderOf.get(use.digest)),
  }));
  const { threads } = LIMITS;
  await mkdir(folder, { recursive: true });
  await writeFile(
    file,
    JSON.stringify({ name: SHAPE.name, checkpoint: source.folder, threads, newTokens: TOKENS, rows: asked }),
  );
  return file;
}

async function espalier(): Promise<Figure[]> {
  const few = rows.slice(0, ONE_BY_ONE);
  const bare = (some: typeof rows): typeof rows => some.map(({ prompt }) => ({ prompt, adapters: [] }));
  return [
    await measure('espalier/one-row', bare(few), oneByOne),
    await measure('espalier+paths/one-row', few, oneByOne),
    await measure('espalier/batch', bare(rows), together),
    await measure('espalier+paths/switching', rows, oneByOne),
    await measure('espalier+paths/mixed', rows, together),
  ];
}

type Rows = readonly { prompt: readonly number[]; adapters: readonly AdapterUse[] }[];

async function measure(name: string, some: Rows, run: (some: Rows) => Promise<void>): Promise<Figure> {
  const startMs = performance.now();
  await run(some);
  const seconds = (performance.now() - startMs) / 1000;
  const versions = { 'onnxruntime-node': await packageVersion('onnxruntime-node'), node: process.versions.node };
  return { name, tokensPerSecond: (some.length * TOKENS) / seconds, versions };
}

async function oneByOne(some: Rows): Promise<void> {
  for (const { adapters, prompt } of some) await engine.generate(adapters, prompt, TOKENS);
}

async function together(some: Rows): Promise<void> {
  await engine.batch(some.map((row) => ({ ...row, maxTokens: TOKENS })));
}

function report(): void {
  const rate = (name: string): number =>
    median(figures.filter((figure) => figure.name === name).map(({ tokensPerSecond }) => tokensPerSecond));
  const measured = new Set(figures.map(({ name }) => name));
  const compared = new Set(CASES.flatMap(({ ours, theirs }) => [ours, ...theirs]));
  for (const name of measured) if (!compared.has(name)) throw new Error(`No case compares ${name} with anything.`);
  process.stdout.write(
    `${describeShape(SHAPE)}\nfloat32, threads: ${LIMITS.threads}, ${PROMPT} prompt tokens and ${TOKENS} new ones a row, tokens/s\n\n`,
  );
  printTable(
    CASES.map(({ title, ours, theirs }) => {
      const peersOf = theirs
        .filter((name) => measured.has(name))
        .map(
          (name) =>
            `${name.split('/')[0] ?? name} ${rate(name).toFixed(1)} (ours ${(rate(ours) / rate(name)).toFixed(2)}×)`,
        );
      return [title, [`espalier ${rate(ours).toFixed(1)}`, ...peersOf].join('   ')];
    }),
  );
  const versions = new Map(figures.flatMap((figure) => Object.entries(figure.versions)));
  process.stdout.write(`\n${[...versions].map(([name, version]) => `${name} ${version}`).join(', ')}\n`);
}
