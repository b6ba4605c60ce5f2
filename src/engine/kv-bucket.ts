/**
 * KV rows of one capacity: for each layer K [slots, kv, hd, capacity], transposed, and V [slots, kv, capacity, hd]. Rows
 * that run together must lie in neighbouring slots, so that a run is fed views.
 */
import { pastK, pastV } from '../graph/ports.js';
import type { KvShape } from './kv-size.js';
import { float32, type InputTensor } from './ort.js';

/** New rows of K and V as a run puts them out: [B, L·kv, T, hd]. */
export interface NewRows {
  k: Float32Array;
  v: Float32Array;
  /** T */
  tokens: number;
}

export class KvBucket {
  readonly capacity: number;
  /** Of one slot, all layers. */
  readonly slotBytes: number;
  readonly #shape: KvShape;
  /** Of one slot in one tensor. */
  readonly #slotElements: number;
  #k: Float32Array[];
  #v: Float32Array[];
  /** Slot → row. */
  #slots: (string | undefined)[] = [];
  readonly #slotOf = new Map<string, number>();
  /** Views that were fed before, by first slot and number of rows: true until the buffers change. */
  #views = new Map<string, (readonly [string, InputTensor])[]>();

  constructor(shape: KvShape, capacity: number) {
    this.#shape = shape;
    this.capacity = capacity;
    this.#slotElements = shape.kvHeads * shape.headDim * capacity;
    this.slotBytes = this.#slotElements * shape.layers * 2 * Float32Array.BYTES_PER_ELEMENT;
    this.#k = Array.from({ length: shape.layers }, () => new Float32Array(0));
    this.#v = Array.from({ length: shape.layers }, () => new Float32Array(0));
  }

  get slots(): number {
    return this.#slots.length;
  }

  get rows(): number {
    return this.#slotOf.size;
  }

  get isFull(): boolean {
    return this.rows === this.slots;
  }

  /** Takes the first free slot. */
  open(row: string): void {
    const slot = this.#slots.indexOf(undefined);
    if (slot < 0) throw new Error(`no free slot of ${this.capacity} positions`);
    this.#occupy(slot, row);
  }

  close(row: string): void {
    this.#slots[this.slotOf(row)] = undefined;
    this.#slotOf.delete(row);
  }

  slotOf(row: string): number {
    const slot = this.#slotOf.get(row);
    if (slot === undefined) throw new Error(`row ${row} has no slot of ${this.capacity} positions`);
    return slot;
  }

  /** More slots, or fewer: then the rows move together at the front first. */
  resize(slots: number): void {
    if (slots < this.slots) {
      for (const [row, slot] of [...this.#slotOf].sort(([, one], [, other]) => one - other)) {
        const free = this.#slots.indexOf(undefined);
        if (free >= 0 && free < slot) this.#move(row, free);
      }
    }
    const resize = (tensor: Float32Array): Float32Array => {
      const copy = new Float32Array(slots * this.#slotElements);
      copy.set(tensor.subarray(0, copy.length));
      return copy;
    };
    // One tensor at a time, so that the old one can be freed before the next is made.
    for (let layer = 0; layer < this.#shape.layers; layer++) {
      this.#k[layer] = resize(this.#layer(this.#k, layer));
      this.#v[layer] = resize(this.#layer(this.#v, layer));
    }
    this.#slots = Array.from({ length: slots }, (_, slot) => this.#slots[slot]);
    this.#views = new Map();
  }

  areNeighbours(rows: readonly string[]): boolean {
    const slots = rows.map((row) => this.slotOf(row));
    return Math.max(...slots) - Math.min(...slots) + 1 === rows.length;
  }

  /** Makes the rows neighbours, in any order, with the fewest copies. Returns their first slot. */
  gather(rows: readonly string[]): number {
    if (this.areNeighbours(rows)) return Math.min(...rows.map((row) => this.slotOf(row)));
    const wanted = new Set(rows);
    const first = this.#cheapestWindow(wanted);
    const end = first + wanted.size;
    let target = first;
    for (const row of wanted) {
      const slot = this.slotOf(row);
      if (slot >= first && slot < end) continue;
      while (wanted.has(this.#slots[target] ?? '')) target++;
      if (this.#slots[target] === undefined) this.#move(row, target);
      else this.#swap(slot, target);
    }
    return first;
  }

  /** Past K and V of neighbouring rows, as fed. */
  feed(first: number, rows: number): readonly (readonly [string, InputTensor])[] {
    const key = `${first}:${rows}`;
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    const { kvHeads, headDim, layers } = this.#shape;
    const begin = first * this.#slotElements;
    const end = begin + rows * this.#slotElements;
    const views: (readonly [string, InputTensor])[] = [];
    for (let layer = 0; layer < layers; layer++) {
      const k = this.#layer(this.#k, layer).subarray(begin, end);
      const v = this.#layer(this.#v, layer).subarray(begin, end);
      views.push([pastK(layer), float32(k, [rows, kvHeads, headDim, this.capacity])]);
      views.push([pastV(layer), float32(v, [rows, kvHeads, this.capacity, headDim])]);
    }
    this.#views.set(key, views);
    return views;
  }

  /** Copies `count` new positions of the run's row `index` behind the `start` positions that `row` has. */
  write(row: string, start: number, count: number, index: number, { k, v, tokens }: NewRows): void {
    const { layers, kvHeads, headDim } = this.#shape;
    const { capacity } = this;
    const slot = this.slotOf(row) * kvHeads;
    let source = index * layers * kvHeads * tokens * headDim;
    for (let layer = 0; layer < layers; layer++) {
      const kLayer = this.#layer(this.#k, layer);
      const vLayer = this.#layer(this.#v, layer);
      for (let head = slot; head < slot + kvHeads; head++, source += tokens * headDim) {
        let to = head * headDim * capacity + start;
        for (let d = 0; d < headDim; d++, to += capacity) {
          // Inside the array: `count` ≤ `tokens`.
          for (let t = 0; t < count; t++) kLayer[to + t] = k[source + t * headDim + d] as number;
        }
        const vTo = (head * capacity + start) * headDim;
        for (let i = 0; i < count * headDim; i++) vLayer[vTo + i] = v[source + i] as number;
      }
    }
  }

  /** Positions as `write` takes them: [1, L·kv, count, hd]. */
  read(row: string, start: number, count: number): NewRows {
    const { layers, kvHeads, headDim } = this.#shape;
    const { capacity } = this;
    const k = new Float32Array(layers * kvHeads * count * headDim);
    const v = new Float32Array(k.length);
    const slot = this.slotOf(row) * kvHeads;
    let to = 0;
    for (let layer = 0; layer < layers; layer++) {
      const kLayer = this.#layer(this.#k, layer);
      const vLayer = this.#layer(this.#v, layer);
      for (let head = slot; head < slot + kvHeads; head++, to += count * headDim) {
        let from = head * headDim * capacity + start;
        for (let d = 0; d < headDim; d++, from += capacity) {
          // Inside the array: the row has these positions.
          for (let t = 0; t < count; t++) k[to + t * headDim + d] = kLayer[from + t] as number;
        }
        const vFrom = (head * capacity + start) * headDim;
        v.set(vLayer.subarray(vFrom, vFrom + count * headDim), to);
      }
    }
    return { k, v, tokens: count };
  }

  /** Copies the first `positions` of a row of another bucket into the place that the same row has here. */
  copyFrom(other: KvBucket, row: string, positions: number): void {
    const { layers, kvHeads, headDim } = this.#shape;
    const from = other.slotOf(row);
    const to = this.slotOf(row);
    for (let layer = 0; layer < layers; layer++) {
      const [k, otherK] = [this.#layer(this.#k, layer), other.#layer(other.#k, layer)];
      const [v, otherV] = [this.#layer(this.#v, layer), other.#layer(other.#v, layer)];
      for (let i = 0; i < kvHeads * headDim; i++) {
        const begin = (from * kvHeads * headDim + i) * other.capacity;
        k.set(otherK.subarray(begin, begin + positions), (to * kvHeads * headDim + i) * this.capacity);
      }
      for (let head = 0; head < kvHeads; head++) {
        const begin = (from * kvHeads + head) * other.capacity * headDim;
        v.set(otherV.subarray(begin, begin + positions * headDim), (to * kvHeads + head) * this.capacity * headDim);
      }
    }
  }

  /** A copy into a free slot costs one, a swap with another row three. */
  #cheapestWindow(wanted: ReadonlySet<string>): number {
    const costs = this.#slots.map((row) => (row === undefined ? 1 : wanted.has(row) ? 0 : 3));
    let best = 0;
    let bestCost = Infinity;
    for (let first = 0; first + wanted.size <= costs.length; first++) {
      const cost = costs.slice(first, first + wanted.size).reduce<number>((sum, each) => sum + each, 0);
      if (cost < bestCost) [best, bestCost] = [first, cost];
    }
    return best;
  }

  #move(row: string, to: number): void {
    const from = this.slotOf(row);
    const size = this.#slotElements;
    for (const tensor of [...this.#k, ...this.#v]) tensor.copyWithin(to * size, from * size, (from + 1) * size);
    this.#slots[from] = undefined;
    this.#occupy(to, row);
  }

  #swap(one: number, other: number): void {
    const size = this.#slotElements;
    const kept = new Float32Array(size);
    for (const tensor of [...this.#k, ...this.#v]) {
      kept.set(tensor.subarray(one * size, (one + 1) * size));
      tensor.copyWithin(one * size, other * size, (other + 1) * size);
      tensor.set(kept, other * size);
    }
    const [oneRow, otherRow] = [this.#slots[one], this.#slots[other]];
    if (otherRow !== undefined) this.#occupy(one, otherRow);
    if (oneRow !== undefined) this.#occupy(other, oneRow);
  }

  #occupy(slot: number, row: string): void {
    this.#slots[slot] = row;
    this.#slotOf.set(row, slot);
  }

  #layer(tensors: readonly Float32Array[], layer: number): Float32Array {
    // One for each layer.
    return tensors[layer] as Float32Array;
  }
}
