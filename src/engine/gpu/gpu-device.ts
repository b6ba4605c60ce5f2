/**
 * The GPU of an engine process: makes tensors in its memory, and changes them there. What crosses the bus is counted.
 *
 * One for all models. Each of its few sessions is one operator, so a call is one dispatch. A tensor must be disposed
 * before the session that made it is released, or the process ends; so sessions whose tensors live long live here.
 */
import { encodeF16 } from '../../formats/safetensors/half.js';
import type { FloatType } from '../../graph/graph-options.js';
import { BASE_WEIGHT, encodeMergeGraph, MERGE_A, MERGE_B } from '../../graph/merge-graph.js';
import {
  encodeCopyGraph,
  encodeExtendGraph,
  encodeReplaceGraph,
  encodeSelectGraph,
  encodeWidenGraph,
  encodeZerosGraph,
  LINES,
  RESULT,
  ROWS,
  SHAPE,
  TENSOR,
} from '../../graph/tensor-graphs.js';
import type { FoldedDelta } from '../../lowrank/delta.js';
import {
  type BusTraffic,
  type Feeds,
  float16,
  float32,
  type InputTensor,
  int64,
  Session,
  type SessionOptions,
  uint8,
} from '../ort.js';
import { LazySession } from '../lazy-session.js';
import { GpuLedger, type GpuTensor } from './gpu-tensor.js';

interface Sessions {
  download: Session;
  widen: Session;
  zeros: Session;
  zeros32: Session;
  extend: Session;
  select: Session;
  replace: Session;
  merge: Session;
}

/** Values in the CPU's memory: float32, float16 as patterns of 16 bits, or bytes. */
export type HostValues = Float32Array | Uint16Array | Uint8Array;

/** A weight is merged so many bytes of float32 at a time where its own type is narrower. */
const MERGE_BLOCK_BYTES = 256 * 2 ** 20;

export class GpuDevice {
  readonly ledger = new GpuLedger();
  readonly bus: BusTraffic;
  /** Of matrices, rank rows and the KV cache. */
  readonly floatType: FloatType;
  readonly #sessions: Sessions;
  /** By type and rank, loaded when they are first needed. */
  readonly #uploads = new Map<string, LazySession>();

  private constructor(bus: BusTraffic, floatType: FloatType, sessions: Sessions) {
    this.bus = bus;
    this.floatType = floatType;
    this.#sessions = sessions;
  }

  /**
   * Fails where there is no GPU that can be used; a driver that is broken may end the process, and one without float16
   * fails when it is first computed with: see `probe-gpu.ts`.
   */
  static async open(floatType: FloatType = 'float32'): Promise<GpuDevice> {
    const bus: BusTraffic = { upBytes: 0, downBytes: 0 };
    const load = (graph: Uint8Array, outputs: SessionOptions['outputs']): Promise<Session> =>
      Session.load({ graph, files: [] }, { device: 'webgpu', outputs, bus });
    return new GpuDevice(bus, floatType, {
      download: await load(encodeCopyGraph(), 'host'),
      widen: await load(encodeWidenGraph(), 'host'),
      zeros: await load(encodeZerosGraph(floatType), 'device'),
      zeros32: await load(encodeZerosGraph('float32'), 'device'),
      extend: await load(encodeExtendGraph(floatType), 'device'),
      select: await load(encodeSelectGraph(floatType), 'device'),
      replace: await load(encodeReplaceGraph(floatType), 'host'),
      merge: await load(encodeMergeGraph(floatType), 'device'),
    });
  }

  /** Of an element of matrices, rank rows and the KV cache. */
  get elementBytes(): number {
    return this.floatType === 'float16' ? Uint16Array.BYTES_PER_ELEMENT : Float32Array.BYTES_PER_ELEMENT;
  }

  /** A session of its own on this GPU. */
  load(graph: Uint8Array, options: Omit<SessionOptions, 'device' | 'bus'> = {}): Promise<Session> {
    return Session.load({ graph, files: [] }, { ...options, device: 'webgpu', bus: this.bus });
  }

  async upload(values: HostValues, dims: readonly number[]): Promise<GpuTensor> {
    const fed = fromHost(values, dims);
    const key = `${fed.type} ${dims.length}`;
    const graph = (): Uint8Array => encodeCopyGraph(typeOf(values), dims.length);
    const upload = this.#uploads.get(key) ?? new LazySession(() => this.load(graph(), { outputs: 'device' }));
    this.#uploads.set(key, upload);
    return this.make(await upload.get(), { [TENSOR]: fed });
  }

  /** A matrix, as float32. */
  async download(tensor: GpuTensor): Promise<Float32Array> {
    const { download, widen } = this.#sessions;
    const session = tensor.tensor.type === 'float16' ? widen : download;
    const { [RESULT]: result } = await session.run({ [TENSOR]: tensor.tensor });
    if (result === undefined) throw new Error('the GPU gave nothing back');
    return result.data;
  }

  /** To be fed where the device's float type is taken, from the CPU's memory. */
  floats(values: Float32Array, dims: readonly number[]): InputTensor {
    return this.floatType === 'float16' ? float16(encodeF16(values), dims) : float32(values, dims);
  }

  /** Of the float type. */
  zeros(rows: number, width: number): Promise<GpuTensor> {
    return this.make(this.#sessions.zeros, { [SHAPE]: shape(rows, width) });
  }

  /** Of float32, whatever the float type. */
  zeros32(rows: number, width: number): Promise<GpuTensor> {
    return this.make(this.#sessions.zeros32, { [SHAPE]: shape(rows, width) });
  }

  /** tensor: [n, w] → [n + more, w], zeros behind it. The tensor stays. */
  extend(tensor: GpuTensor, more: number): Promise<GpuTensor> {
    return this.make(this.#sessions.extend, { [TENSOR]: tensor.tensor, [SHAPE]: shape(more, tensor.dims[1] ?? 1) });
  }

  /** tensor: [n, w] → [lines.length, w]. The tensor stays. */
  select(tensor: GpuTensor, lines: BigInt64Array): Promise<GpuTensor> {
    return this.make(this.#sessions.select, { [TENSOR]: tensor.tensor, [LINES]: int64(lines, [lines.length]) });
  }

  /** Replaces lines of a tensor [n, w] where it lies. rows: [lines.length, w] */
  async replace(tensor: GpuTensor, lines: BigInt64Array, rows: Float32Array | GpuTensor): Promise<void> {
    const width = tensor.dims[1] ?? 1;
    const fed = rows instanceof Float32Array ? this.floats(rows, [lines.length, width]) : rows.tensor;
    await this.#sessions.replace.run(
      { [TENSOR]: tensor.tensor, [LINES]: int64(lines, [lines.length, 1]), [ROWS]: fed },
      [],
      { [RESULT]: tensor.tensor },
    );
  }

  /**
   * W + Bᵀ A, summed in float32 and, of a float16 weight, rounded once; such a weight goes in blocks of rows, each of
   * which takes at most `blockBytes` in float32. weight: [out, in], a: [R, in], b: [R, out] → [out, in]
   */
  async merge(
    weight: GpuTensor,
    { rank, a, b }: Pick<FoldedDelta, 'rank' | 'a' | 'b'>,
    blockBytes = MERGE_BLOCK_BYTES,
  ): Promise<GpuTensor> {
    const [outFeatures = 0, inFeatures = 0] = weight.dims;
    const sum = (rows: GpuTensor, columns: Float32Array): Promise<GpuTensor> =>
      this.make(this.#sessions.merge, {
        [BASE_WEIGHT]: rows.tensor,
        [MERGE_A]: float32(a, [rank, inFeatures]),
        [MERGE_B]: float32(columns, [rank, columns.length / rank]),
      });
    const blockRows = Math.max(1, Math.floor(blockBytes / (Float32Array.BYTES_PER_ELEMENT * inFeatures)));
    if (this.floatType === 'float32' || outFeatures <= blockRows) return sum(weight, b);
    const merged = await this.zeros(outFeatures, inFeatures);
    const made: GpuTensor[] = [];
    try {
      for (let first = 0; first < outFeatures; first += blockRows) {
        const count = Math.min(blockRows, outFeatures - first);
        const lines = BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i));
        const columns = new Float32Array(rank * count);
        for (let r = 0; r < rank; r++) {
          const begin = r * outFeatures + first;
          columns.set(b.subarray(begin, begin + count), r * count);
        }
        const rows = await this.select(weight, lines);
        made.push(rows);
        const block = await sum(rows, columns);
        made.push(block);
        await this.replace(merged, lines, block);
        for (const tensor of made.splice(0)) tensor.dispose();
      }
      return merged;
    } catch (error) {
      for (const tensor of [...made, merged]) tensor.dispose();
      throw error;
    }
  }

  /** Runs a session with outputs on the device, of which there is one. */
  async make(session: Session, feeds: Feeds): Promise<GpuTensor> {
    const [result, ...others] = Object.values(await session.runOnDevice(feeds));
    if (result === undefined || others.length > 0) throw new Error('one tensor was expected of the GPU');
    return this.ledger.adopt(result);
  }

  async release(): Promise<void> {
    for (const session of Object.values<Session>({ ...this.#sessions })) await session.release();
    for (const upload of this.#uploads.values()) await upload.release();
  }
}

function typeOf(values: HostValues): FloatType | 'uint8' {
  if (values instanceof Float32Array) return 'float32';
  return values instanceof Uint16Array ? 'float16' : 'uint8';
}

function fromHost(values: HostValues, dims: readonly number[]): InputTensor {
  if (values instanceof Float32Array) return float32(values, dims);
  return values instanceof Uint16Array ? float16(values, dims) : uint8(values, dims);
}

function shape(rows: number, width: number): ReturnType<typeof int64> {
  return int64(BigInt64Array.of(BigInt(rows), BigInt(width)), [2]);
}
