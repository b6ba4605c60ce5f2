/**
 * The logits of a run, which stay in the GPU's memory: a vocabulary of them for each position would be most of what comes
 * down. Down come the weights of blocks, where a draw asks for them, and the blocks that it looks at.
 */
import { blocksOf, BLOCKS, encodeReadGraph, LOGIT_BLOCK, VALUES } from '../../graph/logit-blocks.js';
import { LOGITS } from '../../graph/ports.js';
import { LogitWeigher, type Weighing } from '../logit-weigher.js';
import { int64, Session } from '../ort.js';
import { type BlockPlace, HostLogits, maximaOf, type RunLogits, type WeighedPosition } from '../run-logits.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

/** Of a position that nobody asked about: everything weighs nothing. */
const NOT_WEIGHED: Weighing = { largest: 3e38, temperature: 1 };

/** The tensors that runs write their logits into, and what reads them. */
export class GpuLogitMemory {
  readonly vocabSize: number;
  readonly weigher: LogitWeigher;
  /** Of logits that were changed on the host. */
  readonly hostWeigher: LogitWeigher;
  readonly #device: GpuDevice;
  #reader: Promise<Session> | null = null;
  /** Written by the last run. */
  #used: GpuTensor[] = [];
  /** For a run of as many positions as one of the last. */
  #free: GpuTensor | null = null;

  constructor(device: GpuDevice, vocabSize: number) {
    this.vocabSize = vocabSize;
    this.#device = device;
    this.weigher = new LogitWeigher(vocabSize, (graph) => device.load(graph));
    this.hostWeigher = new LogitWeigher(vocabSize, (graph) => Session.load({ graph, files: [] }));
  }

  /** The logits of runs before are not needed any more. */
  reclaim(): void {
    this.#free ??= this.#used.pop() ?? null;
    for (const tensor of this.#used.splice(0)) tensor.dispose();
  }

  /** To be written into, all of it: [positions, vocab]; `positions` is not 0. */
  async take(positions: number): Promise<GpuTensor> {
    let tensor = this.#free;
    this.#free = null;
    if (tensor !== null && tensor.dims[0] !== positions) {
      tensor.dispose();
      tensor = null;
    }
    tensor ??= await this.#device.zeros(positions, this.vocabSize);
    this.#used.push(tensor);
    return tensor;
  }

  async read(logits: GpuTensor, wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    this.#reader ??= this.#device.load(encodeReadGraph(this.vocabSize));
    const session = await this.#reader;
    const blocks = blocksOf(this.vocabSize);
    const places = BigInt64Array.from(wanted, ({ position, block }) => BigInt(position * blocks + block));
    const { [VALUES]: values } = await session.run({
      [LOGITS]: logits.tensor,
      [BLOCKS]: int64(places, [places.length]),
    });
    if (values === undefined) throw new Error('the graph lacks the values');
    return wanted.map((_, i) => values.data.subarray(i * LOGIT_BLOCK, (i + 1) * LOGIT_BLOCK));
  }

  /** Frees what no run needs. None may be under way. */
  rest(): void {
    this.reclaim();
    this.#free?.dispose();
    this.#free = null;
  }

  async release(): Promise<void> {
    this.rest();
    await this.weigher.release();
    await this.hostWeigher.release();
    await (await this.#reader)?.release();
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

  async weigh(wanted: readonly WeighedPosition[]): Promise<Float32Array[]> {
    const blocks = blocksOf(this.vocabSize);
    const weighings = Array<Weighing>(this.#logits.dims[0] ?? 0).fill(NOT_WEIGHED);
    for (const weighed of wanted) weighings[weighed.position] = weighed;
    const all = await this.#memory.weigher.weigh(this.#logits.tensor, weighings);
    return wanted.map(({ position }) => all.subarray(position * blocks, (position + 1) * blocks));
  }

  read(wanted: readonly BlockPlace[]): Promise<Float32Array[]> {
    return this.#memory.read(this.#logits, wanted);
  }

  async copy(positions: readonly number[]): Promise<Float32Array[]> {
    const blocks = blocksOf(this.vocabSize);
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

  changed(logits: Float32Array): RunLogits {
    return new HostLogits(this.vocabSize, logits, maximaOf(logits), this.#memory.hostWeigher);
  }
}
