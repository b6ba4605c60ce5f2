/**
 * What a run costs however little it computes: a decoder of 30 layers, 64 wide, one token of one row, by the form of its
 * graph. `none` has no LoRA ports; `path` and `shared` have the one kind, without and with a mask; `ports` both kinds. `one
 * token` can do no more than that; the others take any number, and a second part of a run. Ports have no rank rows. What a layer takes more than nothing is `run` of src/engine/port-costs.ts.
 *
 * Each form is a session; they take their runs in turn. Medians. Flags: --rounds=60, --layers=30, --threads=1.
 */
import { join } from 'node:path';
import { AdapterBank } from '../src/engine/adapter-bank.js';
import { type GraphForm, oneForm, optionsOf } from '../src/engine/graph-forms.js';
import { KvCache } from '../src/engine/kv-cache.js';
import { EngineMemory } from '../src/engine/loaded-model.js';
import { LoraPorts } from '../src/engine/lora-ports.js';
import { hostMasses } from '../src/engine/block-masses.js';
import { NO_ADAPTERS } from '../src/engine/no-adapters.js';
import { Session } from '../src/engine/ort.js';
import type { RankSource } from '../src/engine/rank-feeds.js';
import { Runner } from '../src/engine/runner.js';
import { readCheckpoint } from '../src/formats/checkpoint/read-checkpoint.js';
import { encodeDecoderGraph } from '../src/graph/decoder-graph.js';
import { flag, median, printTable } from './support/measure.js';
import { writeRandomModel } from './support/random-model.js';
import { SHAPES } from './support/shapes.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ROUNDS = flag('rounds', 60);
const WARM_UP = 5;
const PROMPT = 40;
const SHAPE = { ...SHAPES.tiny, layers: flag('layers', 30) };
const FORMS: Readonly<Record<string, GraphForm>> = {
  'none, one token': { lora: 'none', oneToken: true },
  none: { lora: 'none', oneToken: false },
  'path, one token': { lora: 'path', oneToken: true },
  'shared, one token': { lora: 'shared', oneToken: true },
  shared: { lora: 'shared', oneToken: false },
  'ports, one token': { lora: 'ports', oneToken: true },
  ports: { lora: 'ports', oneToken: false },
};

interface Form {
  name: string;
  inputs: number;
  run: () => Promise<unknown>;
  ms: number[];
}

const folder = await temporaryFolder();
const source = await writeRandomModel(join(folder, 'model'), SHAPE);
const { config, tensors } = await readCheckpoint(source.folder);
const forms: Form[] = [];
const sessions: Session[] = [];
for (const [name, options] of Object.entries(FORMS)) forms.push(await formOf(name, options));
for (let round = -WARM_UP; round < ROUNDS; round++) {
  for (const { run, ms } of forms) {
    const startMs = performance.now();
    await run();
    if (round >= 0) ms.push(performance.now() - startMs);
  }
}
process.stdout.write(`${SHAPE.layers} layers, ${SHAPE.hidden} wide, one token, ${ROUNDS} rounds\n\n`);
printTable(forms.map(({ name, inputs, ms }) => [name, `${inputs} inputs, ${median(ms).toFixed(2)} ms a run`]));
for (const session of sessions) await session.release();

async function formOf(name: string, options: GraphForm): Promise<Form> {
  const graph = encodeDecoderGraph(config, tensors, optionsOf(options));
  const threads = flag('threads', 1);
  const session = await Session.load({ graph, folder: source.folder }, { threads });
  sessions.push(session);
  const memory = new EngineMemory({ kvBudgetBytes: 2 ** 28, hostBudgetBytes: 2 ** 20 });
  const kv = new KvCache(config, config.maxPositions, memory.kv, 1);
  const form = oneForm({ session, ...options }, hostMasses(config.vocabSize, threads));
  const runner = new Runner(config, form, kv, ranksOf(options, memory));
  kv.open('row', 64);
  const row = { row: 'row', adapters: [], logitsAt: [0] };
  for (let start = 0; start < PROMPT; start++) await runner.run([{ ...row, tokens: [start], start }]);
  return {
    name,
    inputs: session.inputNames.length,
    run: () => runner.run([{ ...row, tokens: [5], start: PROMPT }]),
    ms: [],
  };
}

/** Of no adapter. */
function ranksOf({ lora }: GraphForm, { host }: EngineMemory): RankSource {
  if (lora === 'none') return NO_ADAPTERS;
  const bank = new AdapterBank(config, {
    rankBudget: 64,
    host,
    source: () => Promise.reject(new Error('no adapter is read here')),
  });
  return new LoraPorts(config, bank, 0);
}
