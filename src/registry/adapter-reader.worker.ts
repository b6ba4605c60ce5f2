/** Reads and checks an adapter in a thread of its own, and answers with what the registry keeps of it. */
import { EspalierError, type ErrorShape } from '../errors.js';
import { readAdapter, type AdapterBase, type AdapterFiles } from '../formats/peft/read-adapter.js';

export interface AdapterTask {
  files: AdapterFiles;
  base: AdapterBase;
}

export interface AdapterFacts {
  /** Revision digest. */
  digest: string;
  rank: number;
  targets: Record<string, { rank: number; scale: number }>;
  bytes: number;
  warnings: string[];
}

/** An error's class and fields don't survive the way between threads; its shape does. */
export type AdapterAnswer = { facts: AdapterFacts } | { error: ErrorShape };

export default async function read({ files, base }: AdapterTask): Promise<AdapterAnswer> {
  try {
    const { digest, rank, targets, bytes, warnings } = await readAdapter(files, base);
    return { facts: { digest, rank, targets, bytes, warnings } };
  } catch (error) {
    if (error instanceof EspalierError) return { error: error.toShape() };
    throw error;
  }
}
