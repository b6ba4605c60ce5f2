/** A row that is fed by hand: what the engine's loop does, for tests of the tensors alone. */
import type { LoadedModel } from '../../../../src/engine/loaded-model.js';
import type { AdapterUse } from '../../../../src/engine/protocol.js';
import type { RunnerRow } from '../../../../src/engine/runner.js';
import { wholeLogits } from '../../../conformance/support/whole-logits.js';

export class Row {
  readonly id: string;
  readonly adapters: readonly AdapterUse[];
  length = 0;
  readonly #model: LoadedModel;

  constructor(model: LoadedModel, id: string, adapters: readonly AdapterUse[], positions: number) {
    this.#model = model;
    this.id = id;
    this.adapters = adapters;
    if (!model.bank.acquire(adapters)) throw new Error(`the adapters of ${id} don't fit`);
    if (!model.kv.open(id, positions)) throw new Error(`row ${id} doesn't fit`);
  }

  /** The next tokens, with the logits of all of them or of the last. */
  feed(tokens: readonly number[], wanted: 'all' | 'last' | 'none' = 'all'): RunnerRow {
    if (!this.#model.kv.grow(this.id, this.length + tokens.length)) throw new Error(`row ${this.id} can't grow`);
    const start = this.length;
    this.length += tokens.length;
    const logitsAt = wanted === 'all' ? [...tokens.keys()] : wanted === 'last' ? [tokens.length - 1] : [];
    return { row: this.id, tokens, start, adapters: this.adapters, logitsAt };
  }

  close(): void {
    this.#model.kv.close(this.id);
    this.#model.bank.release(this.adapters);
  }
}

/** All logits of a sequence, computed at once by a row of its own: [tokens, vocab] */
export async function alone(
  model: LoadedModel,
  adapters: readonly AdapterUse[],
  tokens: readonly number[],
): Promise<Float32Array> {
  const row = new Row(model, `alone-${Math.random()}`, adapters, tokens.length);
  const [logits] = await wholeLogits(model.run([row.feed(tokens)]));
  row.close();
  return logits!;
}
