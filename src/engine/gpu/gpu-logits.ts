/**
 * The logits of a run, which stay in the GPU's memory: a vocabulary of them for each position would be most of what comes
 * down. Down come the weights of blocks, where a draw asks for them, and the blocks that it looks at.
 */
import { blockCount, BLOCKS, encodeReadGraph, LOGIT_BLOCK, VALUES } from '../../graph/logit-blocks.js';
import { LOGITS } from '../../graph/ports.js';
import { LazySession } from '../lazy-session.js';
import { hostWeigher, LogitWeigher, type Weighing } from '../logit-weigher.js';
import { int64 } from '../ort.js';
import { type BlockPlace, HostLogits, inTurns, maximaOf, type RunLogits } from '../run-logits.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

/** The tensors that runs write their logits into, and what reads them. */
export class GpuLogitMemory {
  readonly vocabSize: number;
  readonly weigher: LogitWeigher;
  /** Of logits that were changed, in the CPU's memory. */
  readonly hostWeigher: LogitWeigher;
  readonly #device: GpuDevice;
  readonly #reader: LazySession;
  /** Written by the last run. */
  #used: GpuTensor[] = [];
  /** For the next run that has as many positions. */
  #spare: GpuTensor | null = null;

  /** `threads`: of what is computed in the CPU's memory. */
  constructor(device: GpuDevice, vocabSize: number, threads: number) {
    this.vocabSize = vocabSize;
    this.#device = device;
    this.weigher = new LogitWeigher(vocabSize, (graph) => device.load(graph));
    this.hostWeigher = hostWeigher(vocabSize, threads);
    this.#reader = new LazySession(() => device.load(encodeReadGraph(vocabSize)));
  }

  /** The logits of runs before are not needed any more. */
  reclaim(): void {
    this.#spare ??= this.#used.pop() ?? null;
    for (const tensor of this.#used.splice(0)) tensor.dispose();
  }

  /** To be written into, all of it: [positions, vocab] in float32; `positions` is not 0. */
  async take(positions: number): Promise<GpuTensor> {
    let tensor = this.#spare;
    this.#spare = null;
    if (tensor !== null && tensor.dims[0] !== positions) {
      tensor.dispose();
      tensor = null;
    }
    tensor ??= await this.#device.zeros32(positions, this.vocabSize);
    this.#used.push(tensor);
    return tensor;
  }

  async read(logits: GpuTensor, wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    const session = await this.#reader.get();
    const blocks = blockCount(this.vocabSize);
    const places = BigInt64Array.from(wanted, ({ position, block }) => BigInt(position * blocks + block));
    const { [VALUES]: values } = await session.run({
      [LOGITS]: logits.tensor,
      [BLOCKS]: int64(places, [places.length]),
    });
    if (values === undefined) throw new Error('the graph lacks the values');
    return wanted.map((_, i) => values.data.subarray(i * LOGIT_BLOCK, (i + 1) * LOGIT_BLOCK));
  }

  /** Frees what no run needs. None may be under way. */
  async rest(): Promise<void> {
    this.#free();
    for (const part of [this.weigher, this.hostWeigher, this.#reader]) await part.rest();
  }

  async release(): Promise<void> {
    this.#free();
    for (const part of [this.weigher, this.hostWeigher, this.#reader]) await part.release();
  }

  #free(): void {
    this.reclaim();
    this.#spare?.dispose();
    this.#spare = null;
  }
}

export class GpuLogits implements RunLogits {
  readonly maxima: Float32Array;
  readonly #logits: GpuTensor;
  readonly #memory: GpuLogitMemory;

  /** logits: [positions, vocab], maxima: [positions, blocks] */
  constructor(logits: GpuTensor, maxima: Float32Array, memory: GpuLogitMemory) {
    this.maxima = maxima;
    this.#logits = logits;
    this.#memory = memory;
  }

  get vocabSize(): number {
    return this.#memory.vocabSize;
  }

  weigh(wanted: readonly Weighing[]): Promise<Float32Array[]> {
    return inTurns(wanted, (some) => this.#memory.weigher.weigh(this.#logits.tensor, some));
  }

  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    return this.#memory.read(this.#logits, wanted);
  }

  async copy(positions: readonly number[]): Promise<Float32Array[]> {
    const blocks = blockCount(this.vocabSize);
    const places = positions.flatMap((position) => Array.from({ length: blocks }, (_, block) => ({ position, block })));
    const values = await this.read(places);
    return positions.map((_, i) => {
      const logits = new Float32Array(blocks * LOGIT_BLOCK);
      for (let block = 0; block < blocks; block++) {
        logits.set(values[i * blocks + block] ?? [], block * LOGIT_BLOCK);
      }
      return logits.subarray(0, this.vocabSize);
    });
  }

  ofOne(logits: Float32Array): RunLogits {
    return new HostLogits(this.vocabSize, logits, maximaOf(logits), this.#memory.hostWeigher);
  }
}
