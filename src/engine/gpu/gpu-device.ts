/**
 * The GPU of an engine process: makes tensors in its memory, and changes them there. What crosses the bus is counted.
 *
 * One for all models. Each of its few sessions is one operator, so a call is one dispatch. A tensor must be disposed
 * before the session that made it is released, or the process ends; so sessions whose tensors live long live here.
 */
import { DataType } from '../../formats/onnx/model.js';
import { BASE_WEIGHT, encodeMergeGraph, MERGE_A, MERGE_B } from '../../graph/merge-graph.js';
import {
  encodeCopyGraph,
  encodeExtendGraph,
  encodeReplaceGraph,
  encodeSelectGraph,
  encodeZerosGraph,
  LINES,
  RESULT,
  ROWS,
  SHAPE,
  TENSOR,
} from '../../graph/tensor-graphs.js';
import type { FoldedDelta } from '../../lowrank/delta.js';
import { type BusTraffic, type Feeds, float32, int64, Session, type SessionOptions } from '../ort.js';
import { GpuLedger, type GpuTensor } from './gpu-tensor.js';

interface Sessions {
  upload1: Session;
  upload2: Session;
  download: Session;
  zeros: Session;
  extend: Session;
  select: Session;
  replace: Session;
  merge: Session;
}

export class GpuDevice {
  readonly ledger = new GpuLedger();
  readonly bus: BusTraffic;
  readonly #sessions: Sessions;

  private constructor(bus: BusTraffic, sessions: Sessions) {
    this.bus = bus;
    this.#sessions = sessions;
  }

  /** Fails where there is no GPU that can be used; a driver that is broken may end the process: see `probe-gpu.ts`. */
  static async open(): Promise<GpuDevice> {
    const bus: BusTraffic = { upBytes: 0, downBytes: 0 };
    const load = (graph: Uint8Array, outputs: SessionOptions['outputs']): Promise<Session> =>
      Session.load({ graph, files: [] }, { device: 'webgpu', outputs, bus });
    return new GpuDevice(bus, {
      upload1: await load(encodeCopyGraph(DataType.float32, 1), 'device'),
      upload2: await load(encodeCopyGraph(), 'device'),
      download: await load(encodeCopyGraph(), 'host'),
      zeros: await load(encodeZerosGraph(), 'device'),
      extend: await load(encodeExtendGraph(), 'device'),
      select: await load(encodeSelectGraph(), 'device'),
      replace: await load(encodeReplaceGraph(), 'host'),
      merge: await load(encodeMergeGraph(), 'device'),
    });
  }

  /** A session of its own on this GPU. */
  load(graph: Uint8Array, options: Omit<SessionOptions, 'device' | 'bus'> = {}): Promise<Session> {
    return Session.load({ graph, files: [] }, { ...options, device: 'webgpu', bus: this.bus });
  }

  /** dims: [n] or [n, w] */
  upload(data: Float32Array, dims: readonly number[]): Promise<GpuTensor> {
    const { upload1, upload2 } = this.#sessions;
    return this.make(dims.length === 1 ? upload1 : upload2, { [TENSOR]: float32(data, dims) });
  }

  async download(tensor: GpuTensor): Promise<Float32Array> {
    const { [RESULT]: result } = await this.#sessions.download.run({ [TENSOR]: tensor.tensor });
    if (result === undefined) throw new Error('the GPU gave nothing back');
    return result.data;
  }

  zeros(rows: number, width: number): Promise<GpuTensor> {
    return this.make(this.#sessions.zeros, { [SHAPE]: shape(rows, width) });
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
    const fed = rows instanceof Float32Array ? float32(rows, [lines.length, width]) : rows.tensor;
    await this.#sessions.replace.run(
      { [TENSOR]: tensor.tensor, [LINES]: int64(lines, [lines.length, 1]), [ROWS]: fed },
      [],
      { [RESULT]: tensor.tensor },
    );
  }

  /** W + Bᵀ A. weight: [out, in], a: [R, in], b: [R, out] → [out, in] */
  merge(weight: GpuTensor, { rank, a, b }: Pick<FoldedDelta, 'rank' | 'a' | 'b'>): Promise<GpuTensor> {
    const [outFeatures = 0, inFeatures = 0] = weight.dims;
    return this.make(this.#sessions.merge, {
      [BASE_WEIGHT]: weight.tensor,
      [MERGE_A]: float32(a, [rank, inFeatures]),
      [MERGE_B]: float32(b, [rank, outFeatures]),
    });
  }

  /** Runs a session with outputs on the device, of which there is one. */
  async make(session: Session, feeds: Feeds): Promise<GpuTensor> {
    const [result, ...others] = Object.values(await session.runOnDevice(feeds));
    if (result === undefined || others.length > 0) throw new Error('one tensor was expected of the GPU');
    return this.ledger.adopt(result);
  }

  async release(): Promise<void> {
    for (const session of Object.values<Session>({ ...this.#sessions })) await session.release();
  }
}

function shape(rows: number, width: number): ReturnType<typeof int64> {
  return int64(BigInt64Array.of(BigInt(rows), BigInt(width)), [2]);
}
