/**
 * Beside what a team would use instead, on the same checkpoint, adapters, prompts, bits and threads: transformers + PEFT,
 * llama.cpp through llama-cpp-python and through node-llama-cpp, and onnxruntime-genai. Rows of 32 prompt tokens get 32
 * new ones, prompts included in the time. Prints the tables that docs/performance.md shows.
 *
 * A column of its own has Espalier with the base, or the path, in a merged lane.
 *
 * The peers are the scripts of bench/peers, each in an environment of its own, which may be missing: then this says how to
 * set it up. They take turns with Espalier's engine; medians of the rounds.
 *
 * Flags: --shape=111m|135m|wide|tiny, --bits=0 (all of 32, 8, 4) or one, --workload=<file of make_workload.py> instead of a
 * shape, --rounds=2, --rows=16, --prompt=32, --tokens=32, --threads=2, --rank=8.
 * Environment: PYTHON, one that has what bench/peers/requirements.txt lists.
 */
import type { AdapterUse, EngineLimits, ModelSource } from '../src/engine/protocol.js';
import { DirectEngine } from './support/direct-engine.js';
import { type Figure, packageVersion } from './support/figure.js';
import { flag, median, text } from './support/measure.js';
import {
  type Bits,
  llamaCpp,
  nodeLlamaCpp,
  onnxruntimeGenai,
  type PeerMaker,
  transformersPeft,
} from './support/peer.js';
import { type PeerRow, randomWorkload, readWorkload } from './support/peer-workload.js';
import { quantizedSource } from './support/quantized-source.js';
import { describeShape, shapeFlag } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ALL_BITS: readonly Bits[] = [32, 8, 4];
const SHAPE = shapeFlag();
const ROUNDS = flag('rounds', 2);
const ROWS = flag('rows', 16);
const TOKENS = flag('tokens', 32);
const THREADS = flag('threads', 2);
const LIMITS: EngineLimits = {
  maxRows: ROWS,
  maxWaiting: ROWS,
  // As the service has it.
  prefillChunkTokens: 128,
  kvBudgetBytes: 2 ** 30,
  bankRankBudget: 512,
  hostBudgetBytes: 2 ** 30,
  mergedBudgetBytes: 2 ** 31,
  threads: THREADS,
};
/** Requests of the cases that run one at a time, but for switching, which takes every row. */
const ONE_BY_ONE = Math.min(4, ROWS);

interface Case {
  title: string;
  ours: string;
  /** Ours with the base, or the path, in a merged lane. */
  merged?: string;
  /** By column of the table. */
  theirs: Readonly<Record<string, string>>;
}

/** The columns beside ours. */
const PEERS: Readonly<Record<string, PeerMaker>> = {
  'transformers (+ PEFT)': transformersPeft,
  'llama.cpp (llama-cpp-python)': llamaCpp,
  'node-llama-cpp': nodeLlamaCpp,
  'onnxruntime-genai': onnxruntimeGenai,
};
const [PEFT, LLAMA, NODE_LLAMA, GENAI] = Object.keys(PEERS) as [string, string, string, string];

/** Where a system can't batch different paths, its best for many paths is one request after the other. */
const CASES: readonly Case[] = [
  {
    title: 'bare base, one stream',
    ours: 'espalier/one-row',
    merged: 'espalier-merged/one-row',
    theirs: {
      [PEFT]: 'transformers/one-row',
      [LLAMA]: 'llama.cpp/one-row',
      [NODE_LLAMA]: 'node-llama-cpp/one-row',
      [GENAI]: 'onnxruntime-genai/one-row',
    },
  },
  {
    title: `bare base, ${ROWS} streams`,
    ours: 'espalier/batch',
    merged: 'espalier-merged/batch',
    theirs: {
      [PEFT]: 'transformers/batch',
      [LLAMA]: 'llama.cpp/batch',
      [NODE_LLAMA]: 'node-llama-cpp/batch',
      [GENAI]: 'onnxruntime-genai/batch',
    },
  },
  {
    title: 'one path, one stream',
    ours: 'espalier+paths/one-row',
    merged: 'espalier-merged+paths/one-row',
    theirs: {
      [PEFT]: 'transformers+peft/one-row',
      [LLAMA]: 'llama.cpp+lora/one-row',
      [NODE_LLAMA]: 'node-llama-cpp+lora/one-row',
      [GENAI]: 'onnxruntime-genai+lora/one-row',
    },
  },
  {
    title: 'another path each request',
    ours: 'espalier+paths/switching',
    theirs: {
      [PEFT]: 'transformers+peft/switching',
      [LLAMA]: 'llama.cpp+lora/switching',
      [NODE_LLAMA]: 'node-llama-cpp+lora/switching',
    },
  },
  {
    title: `${ROWS} streams on ${ROWS} paths`,
    ours: 'espalier+paths/mixed',
    theirs: {
      [PEFT]: 'transformers+peft/mixed',
      [LLAMA]: 'llama.cpp+lora/switching',
      [NODE_LLAMA]: 'node-llama-cpp+lora/mixed',
    },
  },
];

type Rows = readonly PeerRow[];

const folder = await temporaryFolder();
const given = text('workload');
const workload =
  given === null
    ? await randomWorkload(folder, SHAPE, flag('rank', 8), {
        rows: ROWS,
        promptTokens: flag('prompt', 32),
        newTokens: TOKENS,
        threads: THREADS,
      })
    : await readWorkload(given);
const { rows } = workload;
process.stdout.write(
  `${given === null ? describeShape(SHAPE) : workload.name}\n${THREADS} threads, ${rows[0]?.prompt.length} prompt tokens and ${TOKENS} new ones a stream, tokens/s\n`,
);
const bits = flag('bits', 0);
const versions = new Map<string, string>();
for (const each of ALL_BITS) if (bits === 0 || bits === each) await compare(each);
process.stdout.write(`\n${[...versions].map(([name, version]) => `${name} ${version}`).join(', ')}\n`);

async function compare(bits: Bits): Promise<void> {
  const source = bits === 32 ? workload.source : await quantizedSource(workload.source, folder, bits);
  const columns: { name: string; peer: () => Promise<Figure[]> }[] = [];
  for (const [name, make] of Object.entries(PEERS)) {
    const peer = await make(workload.file, folder, bits);
    if (typeof peer === 'string') process.stdout.write(`\n${peer}\n`);
    else if (peer !== null) columns.push({ name, peer });
  }
  const figures: Figure[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    figures.push(...(await espalier(source)));
    for (const { peer } of columns) figures.push(...(await peer()));
  }
  for (const figure of figures)
    for (const [name, version] of Object.entries(figure.versions)) versions.set(name, version);
  report(
    bits,
    columns.map(({ name }) => name),
    figures,
  );
}

/** Our figures. The engine lives as long as its round, as the peers do. */
async function espalier(source: ModelSource): Promise<Figure[]> {
  const engine = await DirectEngine.start(source, LIMITS, folder);
  for (const { adapters, prompt } of rows) await engine.generate(adapters, prompt, 1);
  const oneByOne = async (some: Rows): Promise<number[]> => {
    const first: number[][] = [];
    for (const { adapters, prompt } of some) first.push((await engine.generate(adapters, prompt, TOKENS)).tokens);
    return first[0] ?? [];
  };
  const together = async (some: Rows): Promise<number[]> => {
    const [first] = await engine.batch(some.map((row) => ({ ...row, maxTokens: TOKENS })));
    return first?.tokens ?? [];
  };
  const few = rows.slice(0, ONE_BY_ONE);
  const bare = (some: Rows): Rows => some.map(({ prompt }) => ({ prompt, adapters: [] }));
  const figures = [
    await measure('espalier/one-row', bare(few), oneByOne),
    await measure('espalier/batch', bare(rows), together),
    await measure('espalier+paths/one-row', few.slice(0, 1), oneByOne),
    await measure('espalier+paths/switching', rows, oneByOne),
    await measure('espalier+paths/mixed', rows, together),
  ];
  const [{ adapters: path }] = rows as [PeerRow];
  const inLane = async (adapters: readonly AdapterUse[], measureAll: () => Promise<Figure[]>): Promise<void> => {
    await engine.merge(adapters);
    await engine.generate(adapters, rows[0]?.prompt ?? [], 1);
    figures.push(...(await measureAll()));
    await engine.unmerge(adapters);
  };
  await inLane([], async () => [
    await measure('espalier-merged/one-row', bare(few), oneByOne),
    await measure('espalier-merged/batch', bare(rows), together),
  ]);
  await inLane(path, async () => [await measure('espalier-merged+paths/one-row', few.slice(0, 1), oneByOne)]);
  await engine.stop();
  return figures;
}

async function measure(name: string, some: Rows, run: (some: Rows) => Promise<number[]>): Promise<Figure> {
  const startMs = performance.now();
  const tokens = await run(some);
  const seconds = (performance.now() - startMs) / 1000;
  const versions = { 'onnxruntime-node': await packageVersion('onnxruntime-node'), node: process.versions.node };
  return { name, tokensPerSecond: (some.length * TOKENS) / seconds, tokens, versions };
}

/** A table in Markdown, then where a peer was ahead, and where the tokens say that something else was computed. */
function report(bits: Bits, columns: readonly string[], figures: readonly Figure[]): void {
  const of = (name: string): Figure[] => figures.filter((figure) => figure.name === name);
  const rate = (name: string): number => median(of(name).map(({ tokensPerSecond }) => tokensPerSecond));
  process.stdout.write(
    `\n${bits} bits\n\n| | Espalier | Espalier, merged | ${columns.join(' | ')} |\n|${' --- |'.repeat(columns.length + 3)}\n`,
  );
  const ahead: string[] = [];
  const others: string[] = [];
  for (const { title, ours, merged, theirs } of CASES) {
    const lane = merged === undefined ? '–' : `${rate(merged).toFixed(1)} (${(rate(merged) / rate(ours)).toFixed(2)}×)`;
    const cells = columns.map((column) => {
      const name = theirs[column];
      if (name === undefined || of(name).length === 0) return '–';
      const ratio = rate(ours) / rate(name);
      if (ratio < 1) ahead.push(`${title}: ${column}, ours ${ratio.toFixed(2)}×`);
      const same = agreement(of(ours)[0]?.tokens, of(name)[0]?.tokens);
      if (bits === 32 && same < 1) others.push(`${title}: ${column}, ${Math.round(same * 100)}% of the first row`);
      return `${rate(name).toFixed(1)} (ours ${ratio.toFixed(2)}×)`;
    });
    process.stdout.write(`| ${title} | ${rate(ours).toFixed(1)} | ${lane} | ${cells.join(' | ')} |\n`);
  }
  process.stdout.write(`\nA peer is ahead: ${ahead.length === 0 ? 'nowhere' : ahead.join('; ')}.\n`);
  if (bits === 32)
    process.stdout.write(`Other tokens than ours: ${others.length === 0 ? 'none' : others.join('; ')}.\n`);
}

/** The share of tokens before the first that differs. */
function agreement(one: readonly number[] = [], other: readonly number[] = []): number {
  const differs = one.findIndex((token, i) => token !== other[i]);
  return differs < 0 ? 1 : differs / Math.max(1, one.length);
}
