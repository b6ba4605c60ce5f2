/**
 * The rank rows of one projection in the GPU's memory: for each of its modules A [capacity, in] and B [capacity, out].
 *
 * The bank's calls are remembered and carried out by `ready`, before a run. A run is fed copies of just the rows that it
 * needs, packed on the GPU once for as long as the same set of adapters runs. So gaps in the bank cost nothing there.
 */
import type { LinearModule, Projection } from '../../formats/checkpoint/modules.js';
import { loraA, loraB } from '../../graph/ports.js';
import {
  encodeReplaceAllGraph,
  encodeSelectAllGraph,
  LINES,
  replaced,
  rowsFor,
  selected,
} from '../../graph/tensor-graphs.js';
import type { FoldedAdapter } from '../folded-adapter.js';
import { type InputTensor, int64, type Session } from '../ort.js';
import { RankLayout, type Move } from '../rank-layout.js';
import type { RankFeed } from '../rank-rows.js';
import type { RankStore } from '../rank-store.js';
import type { GpuDevice } from './gpu-device.js';
import type { GpuTensor } from './gpu-tensor.js';

const FIRST_CAPACITY = 32;
/** Packed sets that are kept: those of the batches that take turns in a step. */
const MAX_PACKED = 4;

type Task =
  | { kind: 'write'; adapter: FoldedAdapter; offset: number; rank: number }
  | { kind: 'move'; moves: Move[] }
  | { kind: 'shrink'; capacity: number };

interface Packed extends RankFeed {
  owned: readonly GpuTensor[];
}

export class GpuRankRows implements RankStore {
  readonly projection: Projection;
  readonly layout = new RankLayout();
  readonly #device: GpuDevice;
  readonly #modules: readonly LinearModule[];
  /** Input name → how wide: A and B of every module. */
  readonly #widths: ReadonlyMap<string, number>;
  readonly #nothing: RankFeed;
  #sessions: { select: Session; replace: Session } | null = null;
  /** By input name, [capacity, width] each. */
  #rows = new Map<string, GpuTensor>();
  #capacity = 0;
  readonly #tasks: Task[] = [];
  /** Least recently used first. */
  readonly #packed = new Map<string, Packed>();

  constructor(device: GpuDevice, projection: Projection, modules: readonly LinearModule[]) {
    this.#device = device;
    this.projection = projection;
    this.#modules = modules;
    this.#widths = new Map(
      modules.flatMap(({ name, inFeatures, outFeatures }) => [
        [loraA(name), inFeatures],
        [loraB(name), outFeatures],
      ]),
    );
    const tensors = [...this.#widths].map(
      ([name, width]) => [name, device.floats(new Float32Array(0), [0, width])] as const,
    );
    this.#nothing = { rows: 0, spans: new Map(), tensors };
  }

  get bytes(): number {
    const packed = [...this.#packed.values()].flatMap(({ owned }) => owned);
    return [...this.#rows.values(), ...packed].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get capacity(): number {
    return this.#capacity;
  }

  rankOf(adapter: FoldedAdapter): number {
    return Math.max(0, ...this.#modules.map(({ name }) => adapter.deltas.get(name)?.rank ?? 0));
  }

  write(adapter: FoldedAdapter, offset: number, rank: number): void {
    this.#tasks.push({ kind: 'write', adapter, offset, rank });
    this.layout.place(adapter.digest, offset, rank);
  }

  compact(): void {
    const moves = this.layout.compact();
    if (moves.length > 0) this.#tasks.push({ kind: 'move', moves });
  }

  shrink(rows: number): void {
    this.#tasks.push({ kind: 'shrink', capacity: rows });
  }

  setInUse(digest: string, inUse: boolean): void {
    this.layout.setInUse(digest, inUse);
    if (inUse) return;
    for (const [key, { spans }] of this.#packed) if (spans.has(digest)) this.#forget(key);
  }

  /** Makes the rows what the bank said, and packs those of the adapters. No run may be under way. */
  async ready(digests: ReadonlySet<string>): Promise<RankFeed> {
    for (let task = this.#tasks[0]; task !== undefined; task = this.#tasks[0]) {
      if (task.kind === 'write') await this.#write(task.adapter, task.offset, task.rank);
      else if (task.kind === 'move') await this.#move(task.moves);
      else await this.#shrink(task.capacity);
      this.#tasks.shift();
    }
    const wanted = [...digests].flatMap((digest) => this.layout.span(digest) ?? []);
    if (wanted.length === 0) return this.#nothing;
    const key = wanted.map(({ digest }) => digest).join();
    const packed = this.#packed.get(key) ?? (await this.#pack(wanted));
    this.#packed.delete(key);
    this.#packed.set(key, packed);
    for (const oldest of this.#packed.keys()) if (this.#packed.size > MAX_PACKED) this.#forget(oldest);
    return packed;
  }

  async dispose(): Promise<void> {
    for (const key of [...this.#packed.keys()]) this.#forget(key);
    for (const tensor of this.#rows.values()) tensor.dispose();
    this.#rows.clear();
    await this.#sessions?.select.release();
    await this.#sessions?.replace.release();
  }

  async #write(adapter: FoldedAdapter, offset: number, rank: number): Promise<void> {
    await this.#reserve(offset + rank);
    const feeds: Record<string, InputTensor> = { [LINES]: int64(range(offset, rank), [rank, 1]) };
    const inPlace: Record<string, InputTensor> = {};
    const put = (name: string, width: number, rows: Float32Array | undefined): void => {
      const tensor = this.#tensor(name);
      const padded = new Float32Array(rank * width);
      if (rows !== undefined) padded.set(rows);
      feeds[name] = tensor;
      feeds[rowsFor(name)] = this.#device.floats(padded, [rank, width]);
      inPlace[replaced(name)] = tensor;
    };
    for (const { name, inFeatures, outFeatures } of this.#modules) {
      const delta = adapter.deltas.get(name);
      put(loraA(name), inFeatures, delta?.a);
      put(loraB(name), outFeatures, delta?.b);
    }
    const { replace } = await this.#open();
    await replace.run(feeds, [], inPlace);
  }

  async #move(moves: readonly Move[]): Promise<void> {
    const lines = range(0, this.#capacity);
    // A move goes down, behind the ones before it: what it reads has not been moved yet.
    for (const { from, to, rank } of moves) for (let i = 0; i < rank; i++) lines[to + i] = BigInt(from + i);
    await this.#become(lines);
  }

  async #shrink(capacity: number): Promise<void> {
    if (capacity >= this.#capacity) return;
    await this.#become(range(0, capacity));
    this.#capacity = capacity;
  }

  /** The rows are these from now on. */
  async #become(lines: BigInt64Array): Promise<void> {
    const rows = await this.#select(lines);
    for (const tensor of this.#rows.values()) tensor.dispose();
    this.#rows = rows;
  }

  async #pack(wanted: readonly { digest: string; offset: number; rank: number }[]): Promise<Packed> {
    const spans = new Map<string, { offset: number; rank: number }>();
    const lines: bigint[] = [];
    for (const { digest, offset, rank } of wanted) {
      spans.set(digest, { offset: lines.length, rank });
      lines.push(...range(offset, rank));
    }
    const rows = await this.#select(BigInt64Array.from(lines));
    const tensors = [...rows].map(([name, { tensor }]) => [name, tensor] as const);
    return { rows: lines.length, spans, tensors, owned: [...rows.values()] };
  }

  /** By input name, [lines.length, width] each. */
  async #select(lines: BigInt64Array): Promise<Map<string, GpuTensor>> {
    const { select } = await this.#open();
    const feeds: Record<string, InputTensor> = { [LINES]: int64(lines, [lines.length]) };
    for (const name of this.#widths.keys()) feeds[name] = this.#tensor(name);
    const outputs = await select.runOnDevice(feeds);
    return new Map(
      [...this.#widths.keys()].map((name) => {
        const output = outputs[selected(name)];
        if (output === undefined) throw new Error(`the GPU lacks ${name}`);
        return [name, this.#device.ledger.adopt(output)];
      }),
    );
  }

  async #reserve(rows: number): Promise<void> {
    if (rows <= this.#capacity) return;
    const capacity = Math.max(rows, FIRST_CAPACITY, 2 * this.#capacity);
    for (const [name, width] of this.#widths) {
      const old = this.#rows.get(name);
      const more = capacity - (old?.dims[0] ?? 0);
      if (more === 0) continue;
      this.#rows.set(name, await (old ? this.#device.extend(old, more) : this.#device.zeros(more, width)));
      old?.dispose();
    }
    this.#capacity = capacity;
  }

  async #open(): Promise<{ select: Session; replace: Session }> {
    this.#sessions ??= {
      select: await this.#device.load(encodeSelectAllGraph(this.#widths, this.#device.floatType), {
        outputs: 'device',
      }),
      replace: await this.#device.load(encodeReplaceAllGraph(this.#widths, this.#device.floatType)),
    };
    return this.#sessions;
  }

  #tensor(name: string): InputTensor {
    const rows = this.#rows.get(name);
    if (rows === undefined) throw new Error(`the bank has no rows of ${name}`);
    return rows.tensor;
  }

  #forget(key: string): void {
    for (const tensor of this.#packed.get(key)?.owned ?? []) tensor.dispose();
    this.#packed.delete(key);
  }
}

/** first, first + 1, … */
function range(first: number, count: number): BigInt64Array {
  return BigInt64Array.from({ length: count }, (_, i) => BigInt(first + i));
}
