/** A GPU that isn't one, for what only keeps the books of blocks: its tensors are arrays. */
import type { PoolDevice } from '../../../../src/engine/gpu/gpu-pool.js';
import { GpuTensor } from '../../../../src/engine/gpu/gpu-tensor.js';

export class ArrayDevice implements PoolDevice {
  readonly elementBytes = Float32Array.BYTES_PER_ELEMENT;
  /** Alive. */
  tensors = 0;

  zeros(rows: number, width: number): Promise<GpuTensor> {
    return Promise.resolve(this.#tensor(new Float32Array(rows * width), width));
  }

  extend(tensor: GpuTensor, more: number): Promise<GpuTensor> {
    const width = widthOf(tensor);
    return Promise.resolve(this.#tensor(Float32Array.of(...dataOf(tensor), ...new Float32Array(more * width)), width));
  }

  select(tensor: GpuTensor, lines: BigInt64Array): Promise<GpuTensor> {
    const width = widthOf(tensor);
    const data = dataOf(tensor);
    const rows = [...lines].flatMap((line) => [...data.subarray(Number(line) * width, (Number(line) + 1) * width)]);
    return Promise.resolve(this.#tensor(Float32Array.from(rows), width));
  }

  replace(tensor: GpuTensor, lines: BigInt64Array, rows: Float32Array | GpuTensor): Promise<void> {
    const width = widthOf(tensor);
    const put = rows instanceof Float32Array ? rows : dataOf(rows);
    for (const [i, line] of lines.entries()) {
      dataOf(tensor).set(put.subarray(i * width, (i + 1) * width), Number(line) * width);
    }
    return Promise.resolve();
  }

  #tensor(data: Float32Array, width: number): GpuTensor {
    this.tensors++;
    const tensor = { data, dims: [data.length / width, width], dispose: () => undefined };
    return new GpuTensor(tensor as unknown as GpuTensor['tensor'], data.byteLength, () => this.tensors--);
  }
}

export function dataOf({ tensor }: Pick<GpuTensor, 'tensor'>): Float32Array {
  return tensor.data as Float32Array;
}

const widthOf = ({ dims }: GpuTensor): number => dims[1] ?? 1;
