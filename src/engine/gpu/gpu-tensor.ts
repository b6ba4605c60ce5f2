/**
 * A tensor in the GPU's memory, with an owner: whoever made it disposes it. The ledger knows what is alive, for budgets
 * and for the test that nothing is left behind.
 */
import type { InputTensor } from '../ort.js';

/** What lies in the GPU's memory. */
export class GpuLedger {
  #tensors = 0;
  #bytes = 0;

  get tensors(): number {
    return this.#tensors;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes over a tensor that a run left in the device's memory. */
  adopt(tensor: InputTensor): GpuTensor {
    const bytes = tensorBytes(tensor.type, tensor.dims);
    this.#tensors++;
    this.#bytes += bytes;
    return new GpuTensor(tensor, bytes, () => {
      this.#tensors--;
      this.#bytes -= bytes;
    });
  }
}

export class GpuTensor {
  readonly dims: readonly number[];
  readonly bytes: number;
  #tensor: InputTensor | null;
  readonly #onDispose: () => void;

  constructor(tensor: InputTensor, bytes: number, onDispose: () => void) {
    this.dims = [...tensor.dims];
    this.bytes = bytes;
    this.#tensor = tensor;
    this.#onDispose = onDispose;
  }

  /** To be fed, or written into. */
  get tensor(): InputTensor {
    if (this.#tensor === null) throw new Error(`a tensor of the GPU [${this.dims.join(', ')}] is used after its end`);
    return this.#tensor;
  }

  /** Once. No run that uses it may be under way. */
  dispose(): void {
    this.tensor.dispose();
    this.#tensor = null;
    this.#onDispose();
  }
}

const ELEMENT_BYTES: Readonly<Record<string, number>> = { float32: 4, float16: 2, uint8: 1 };

export function tensorBytes(type: string, dims: readonly number[]): number {
  const elementBytes = ELEMENT_BYTES[type];
  if (elementBytes === undefined) throw new Error(`no tensor of the GPU is of type ${type}`);
  return dims.reduce((product, size) => product * size, elementBytes);
}
