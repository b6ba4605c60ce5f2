/** Reads and checks an adapter in a thread of its own, and answers with what the registry keeps of it. */
import { EspalierError, type ErrorShape } from '../errors/espalier-error.js';
import type { AdapterBase, AdapterFiles } from '../formats/peft/open-adapter.js';
import { readAdapter } from '../formats/peft/read-adapter.js';
import { normsOf } from './adapter-norms.js';

export interface AdapterTask {
  files: AdapterFiles;
  base: AdapterBase;
}

export interface AdapterFacts {
  /** Revision digest. */
  digest: string;
  rank: number;
  targets: Record<string, { rank: number; scale: number; norm: number | null }>;
  bytes: number;
  warnings: string[];
}

/** An error's class and fields don't survive the way between threads; its shape does. */
export type AdapterAnswer = { facts: AdapterFacts } | { error: ErrorShape };

export default async function readFacts({ files, base }: AdapterTask): Promise<AdapterAnswer> {
  try {
    const { digest, rank, targets: read, deltas, bytes, warnings } = await readAdapter(files, base);
    const norms = normsOf(deltas);
    const targets: AdapterFacts['targets'] = {};
    for (const [module, target] of Object.entries(read)) {
      targets[module] = { ...target, norm: norms.get(module) ?? null };
    }
    return { facts: { digest, rank, targets, bytes, warnings } };
  } catch (error) {
    if (error instanceof EspalierError) return { error: error.toShape() };
    throw error;
  }
}
