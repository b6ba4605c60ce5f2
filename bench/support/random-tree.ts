/** A tree of random adapters, 1 + 4 + 16 nodes: sixteen paths of depth three, whose upper nodes several share. */
import { join } from 'node:path';
import type { AdapterUse } from '../../src/engine/protocol.js';
import type { ModelConfig } from '../../src/formats/checkpoint/model-config.js';
import { writeRandomAdapter } from './random-adapter.js';

const BRANCHES = 4;

export interface RandomNode {
  /** Below the root: `trunk/branch-1/leaf-5`. */
  path: string;
  folder: string;
  use: AdapterUse;
}

export interface RandomTree {
  /** Parents before their children. */
  nodes: readonly RandomNode[];
  /** One for each leaf, root to leaf; neighbours differ in their branch too. */
  paths: readonly (readonly AdapterUse[])[];
}

export async function writeRandomTree(folder: string, config: ModelConfig, rank: number): Promise<RandomTree> {
  const nodes: RandomNode[] = [];
  const add = async (path: string): Promise<AdapterUse> => {
    const files = await writeRandomAdapter(join(folder, path.replaceAll('/', '.')), config, rank, nodes.length + 1);
    const { configFile, weightsFile } = files;
    const use = { digest: path, weight: 1, rank, configFile, weightsFile };
    nodes.push({ path, folder: files.folder, use });
    return use;
  };
  const trunk = await add('trunk');
  const branches: AdapterUse[] = [];
  for (let i = 0; i < BRANCHES; i++) branches.push(await add(`trunk/branch-${i}`));
  const paths: AdapterUse[][] = [];
  for (let i = 0; i < BRANCHES * BRANCHES; i++) {
    const branch = branches[i % BRANCHES];
    if (branch !== undefined) paths.push([trunk, branch, await add(`${branch.digest}/leaf-${i}`)]);
  }
  return { nodes, paths };
}
