/**
 * The logits of a run, which stay in the GPU's memory: a vocabulary of them for each position would be most of what comes
 * down. Down come the masses of blocks, where a draw asks for them, and the blocks that it looks at.
 */
import { blockCount, BLOCKS, encodeReadGraph, LOGIT_BLOCK, VALUES } from '../../graph/logit-blocks.js';
import { LOGITS } from '../../graph/ports.js';
import { LazySession } from '../lazy-session.js';
import { hostMasses, BlockMasses, type MassQuery } from '../block-masses.js';
import { int64 } from '../ort.js';
import { type BlockPlace, HostLogits, inTurns, maximaOf, type RunLogits } from '../run-logits.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

/** The tensors that runs write their logits into, and what reads them. */
export class GpuLogitMemory {
  readonly vocabSize: number;
  readonly masses: BlockMasses;
  /** Of logits that were changed, in the CPU's memory. */
  readonly hostMasses: BlockMasses;
  readonly #device: GpuDevice;
  readonly #reader: LazySession;
  /** Written by the last run. */
  readonly #used: GpuTensor[] = [];
  /** For the next run that has as many positions. */
  #spare: GpuTensor | null = null;

  /** `threads`: of what is computed in the CPU's memory. */
  constructor(device: GpuDevice, vocabSize: number, threads: number) {
    this.vocabSize = vocabSize;
    this.#device = device;
    this.masses = new BlockMasses(vocabSize, (graph) => device.load(graph));
    this.hostMasses = hostMasses(vocabSize, threads);
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

  /** → [wanted, LOGIT_BLOCK] */
  async read(logits: GpuTensor, wanted: readonly BlockPlace[]): Promise<Float32Array> {
    const session = await this.#reader.get();
    const blocks = blockCount(this.vocabSize);
    const places = BigInt64Array.from(wanted, ({ position, block }) => BigInt(position * blocks + block));
    const { [VALUES]: values } = await session.run({
      [LOGITS]: logits.tensor,
      [BLOCKS]: int64(places, [places.length]),
    });
    if (values === undefined) throw new Error('the graph lacks the values');
    return values.data;
  }

  /** Frees what no run needs. None may be under way. */
  async rest(): Promise<void> {
    this.#free();
    for (const part of [this.masses, this.hostMasses, this.#reader]) await part.rest();
  }

  async release(): Promise<void> {
    this.#free();
    for (const part of [this.masses, this.hostMasses, this.#reader]) await part.release();
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

  massesOf(wanted: readonly MassQuery[]): Promise<Float32Array[]> {
    return inTurns(wanted, (some) => this.#memory.masses.compute(this.#logits.tensor, some));
  }

  async read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    const values = await this.#memory.read(this.#logits, wanted);
    return wanted.map((_, i) => values.subarray(i * LOGIT_BLOCK, (i + 1) * LOGIT_BLOCK));
  }

  async copy(positions: readonly number[]): Promise<Float32Array[]> {
    const blocks = Array.from({ length: blockCount(this.vocabSize) }, (_, block) => block);
    const places = positions.flatMap((position) => blocks.map((block) => ({ position, block })));
    const values = await this.#memory.read(this.#logits, places);
    const width = blocks.length * LOGIT_BLOCK;
    return positions.map((_, i) => values.slice(i * width, i * width + this.vocabSize));
  }

  ofOne(logits: Float32Array): RunLogits {
    return new HostLogits(this.vocabSize, logits, maximaOf(logits), this.#memory.hostMasses);
  }
}
