/** The fixtures of test/fixtures/make_golden.py: a checkpoint, its adapters, and what each path must compute. */
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdapterUse } from '../../../src/engine/protocol.js';
import { readCheckpoint, type Checkpoint } from '../../../src/formats/checkpoint/read-checkpoint.js';
import type { Adapter } from '../../../src/formats/peft/adapter.js';
import { readAdapter } from '../../../src/formats/peft/read-adapter.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import type { GraphInFolder } from '../../../src/engine/ort.js';
import { encodeDecoderGraph } from '../../../src/graph/decoder-graph.js';

export const CASES = ['llama', 'llama-legacy', 'mistral', 'qwen2', 'qwen3'] as const;
export type CaseName = (typeof CASES)[number];

const FIXTURES = join(import.meta.dirname, '../../fixtures/golden');

interface GoldenFile {
  prompts: number[][];
  adapters: Record<string, string>;
  paths: { steps: { node: string; weight: number }[]; greedy: number[][] }[];
}

export interface Step {
  node: string;
  weight: number;
}

/** One path with one prompt. */
export interface Expectation {
  /** For test titles: `one:0.5/two` and the prompt's length. */
  title: string;
  steps: readonly Step[];
  prompt: readonly number[];
  /** Greedy tokens after the prompt. */
  greedy: readonly number[];
  /** The prompt and all but the last of the greedy tokens. */
  tokens: readonly number[];
}

/** What a case expects, known before any file of weights is read: for titles of tests. */
export function expectations(name: CaseName): Expectation[] {
  const { paths, prompts } = readGolden(name);
  return paths.flatMap(({ steps, greedy: continuations }) =>
    prompts.map((prompt, q) => {
      // The script writes a continuation for each prompt.
      const greedy = continuations[q]!;
      const path = steps.map(({ node, weight }) => `${node.split('/').pop()!}${weight === 1 ? '' : `:${weight}`}`);
      return {
        title: `/${path.join('/')}, ${prompt.length} tokens`,
        steps,
        prompt,
        greedy,
        tokens: [...prompt, ...greedy.slice(0, -1)],
      };
    }),
  );
}

function readGolden(name: CaseName): GoldenFile {
  return JSON.parse(readFileSync(join(FIXTURES, name, 'golden.json'), 'utf8')) as GoldenFile;
}

/** A case as the service would hold it: the checkpoint in a folder of its own, with its graph. */
export class GoldenCase {
  readonly name: CaseName;
  readonly checkpoint: Checkpoint;
  readonly model: GraphInFolder;
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly expectations: readonly Expectation[];
  readonly #logits: readonly Float32Array[];

  private constructor(
    name: CaseName,
    checkpoint: Checkpoint,
    model: GraphInFolder,
    adapters: Map<string, Adapter>,
    logits: Float32Array[],
  ) {
    this.name = name;
    this.checkpoint = checkpoint;
    this.model = model;
    this.adapters = adapters;
    this.expectations = expectations(name);
    this.#logits = logits;
  }

  static async open(name: CaseName): Promise<GoldenCase> {
    const base = join(FIXTURES, name, 'base');
    const folder = await mkdtemp(join(tmpdir(), `espalier-${name}-`));
    for (const file of await readdir(base)) await copyFile(join(base, file), join(folder, file));
    const checkpoint = await readCheckpoint(folder);
    const { config, tensors, origins } = checkpoint;
    const model = { graph: encodeDecoderGraph(config, tensors), folder };
    const golden = readGolden(name);
    const adapters = new Map<string, Adapter>();
    for (const node of Object.keys(golden.adapters)) {
      adapters.set(node, await readAdapter(adapterFiles(name, node), { config, origins }));
    }
    const file = await SafetensorsFile.open(join(FIXTURES, name, 'golden.safetensors'));
    const logits: Float32Array[] = [];
    for (const p of golden.paths.keys()) {
      for (const q of golden.prompts.keys()) logits.push(await file.readFloat32(`logits.${p}.${q}`));
    }
    await file.close();
    return new GoldenCase(name, checkpoint, model, adapters, logits);
  }

  /** [tokens, vocab] */
  logits(expectation: Expectation): Float32Array {
    const index = this.expectations.findIndex(({ title }) => title === expectation.title);
    // Expectations and logits are read from the same file, in the same order.
    return this.#logits[index]!;
  }

  adapter(node: string): Adapter {
    const adapter = this.adapters.get(node);
    if (adapter === undefined) throw new Error(`${this.name} has no adapter ${node}`);
    return adapter;
  }

  /** The steps as a request names them to the engine. */
  uses(steps: readonly Step[]): AdapterUse[] {
    return steps.map(({ node, weight }) => {
      const { digest, rank } = this.adapter(node);
      return { digest, weight, rank, ...adapterFiles(this.name, node) };
    });
  }

  async remove(): Promise<void> {
    await rm(this.checkpoint.folder, { recursive: true });
  }
}

export function adapterFiles(name: CaseName, node: string): { configFile: string; weightsFile: string } {
  const folder = join(FIXTURES, name, 'adapters', node.replaceAll('/', '-'));
  return {
    configFile: join(folder, 'adapter_config.json'),
    weightsFile: join(folder, 'adapter_model.safetensors'),
  };
}
