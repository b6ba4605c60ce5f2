/**
 * What Espalier and its peers are given alike: a checkpoint, adapters, and a prompt and a path for each row, as the
 * `workload.json` that bench/peers/README.md describes.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AdapterUse, ModelSource } from '../../src/engine/protocol.js';
import { randomPrompt } from './greedy-request.js';
import { writeRandomModel } from './random-model.js';
import { writeRandomTree } from './random-tree.js';
import type { Shape } from './shapes.js';

export interface PeerWorkload {
  name: string;
  /** `workload.json` */
  file: string;
  source: ModelSource;
  rows: readonly PeerRow[];
}

export interface PeerRow {
  prompt: readonly number[];
  /** Root to leaf. */
  adapters: readonly AdapterUse[];
}

export interface WorkloadOptions {
  rows: number;
  promptTokens: number;
  newTokens: number;
  threads: number;
}

/** Random weights, and a tree of 1 + 4 + 16 random adapters. */
export async function randomWorkload(
  folder: string,
  shape: Shape,
  rank: number,
  { rows, promptTokens, newTokens, threads }: WorkloadOptions,
): Promise<PeerWorkload> {
  const source = await writeRandomModel(join(folder, 'checkpoint'), shape);
  const { nodes, paths } = await writeRandomTree(join(folder, 'adapters'), source.config, rank);
  const folderOf = new Map(nodes.map((node) => [node.use.digest, node.folder]));
  const asked = Array.from({ length: rows }, (_, i) => ({
    prompt: randomPrompt(promptTokens, shape.vocab, i),
    adapters: (paths[i % paths.length] ?? []).map((use) => folderOf.get(use.digest) ?? ''),
  }));
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'workload.json');
  const workload = { name: shape.name, checkpoint: source.folder, threads, newTokens, rows: asked };
  await writeFile(file, JSON.stringify(workload));
  return readWorkload(file);
}

const workloadFile = z.object({
  name: z.string(),
  checkpoint: z.string(),
  rows: z.array(z.object({ prompt: z.array(z.number()), adapters: z.array(z.string()) })),
});
const rankOf = z.object({ r: z.number(), rank_pattern: z.record(z.string(), z.number()).optional() });

/** One that is written already, by bench/peers/make_workload.py too. */
export async function readWorkload(file: string): Promise<PeerWorkload> {
  const { name, checkpoint, rows } = workloadFile.parse(JSON.parse(await readFile(file, 'utf8')));
  const uses = new Map<string, AdapterUse>();
  for (const folder of new Set(rows.flatMap(({ adapters }) => adapters))) uses.set(folder, await useOf(folder));
  return {
    name,
    file,
    source: { digest: `workload ${name}`, folder: checkpoint },
    rows: rows.map(({ prompt, adapters }) => ({
      prompt,
      adapters: adapters.flatMap((folder) => uses.get(folder) ?? []),
    })),
  };
}

async function useOf(folder: string): Promise<AdapterUse> {
  const configFile = join(folder, 'adapter_config.json');
  const { r, rank_pattern: pattern = {} } = rankOf.parse(JSON.parse(await readFile(configFile, 'utf8')));
  const rank = Math.max(r, ...Object.values(pattern));
  return { digest: folder, weight: 1, rank, configFile, weightsFile: join(folder, 'adapter_model.safetensors') };
}
