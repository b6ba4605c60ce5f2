/** Reads and folds adapters in a thread of its own, and hands over their numbers without a copy. */
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { EspalierError, reasonsOf, type ErrorShape } from '../errors/espalier-error.js';
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import { type AdapterToRead, type PackedAdapter, readPacked } from './packed-adapter.js';

export interface LoadTask {
  adapter: AdapterToRead;
  config: ModelConfig;
}

/** An error's class and fields don't survive the way between threads; its shape does. `reason` is for the log. */
export type LoadAnswer = { packed: PackedAdapter } | { error: ErrorShape; reason: string };

export default async function load({ adapter, config }: LoadTask): Promise<unknown> {
  try {
    const packed = await readPacked(adapter, config);
    return move({ [transferableSymbol]: [packed.values.buffer], [valueSymbol]: { packed } satisfies LoadAnswer });
  } catch (error) {
    if (error instanceof EspalierError)
      return { error: error.toShape(), reason: reasonsOf(error) } satisfies LoadAnswer;
    throw error;
  }
}
