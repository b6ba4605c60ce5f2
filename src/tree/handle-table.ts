/**
 * Numbers by 32-bit hashes: an index of nodes that costs the garbage collector nothing, because it is one array of
 * integers. It doesn't know the keys: whoever asks compares them, for each number that has the hash.
 *
 * Open addressing with linear probing, at most half full; what is deleted leaves no trace, because what follows moves up
 * (Knuth, The Art of Computer Programming 3, 6.4, algorithm R).
 */
export class HandleTable {
  /** Pairs of hash and handle + 1; 0 instead of the latter: empty. */
  #cells = new Int32Array(2 * 16);
  #mask = 15;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first place that holds something of that hash; -1: none. */
  first(hash: number): number {
    return this.#from(hash & this.#mask, hash);
  }

  /** The next one after `place`. */
  next(place: number, hash: number): number {
    return this.#from((place + 1) & this.#mask, hash);
  }

  at(place: number): number {
    return (this.#cells[2 * place + 1] as number) - 1;
  }

  add(hash: number, handle: number): void {
    if (2 * ++this.#size > this.#mask) this.#grow();
    this.#put(hash, handle + 1);
  }

  delete(place: number): void {
    const cells = this.#cells;
    const mask = this.#mask;
    let hole = place;
    for (let at = (place + 1) & mask; cells[2 * at + 1] !== 0; at = (at + 1) & mask) {
      const home = (cells[2 * at] as number) & mask;
      // Found from its home still when it lies in the hole.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      cells[2 * hole] = cells[2 * at] as number;
      cells[2 * hole + 1] = cells[2 * at + 1] as number;
      hole = at;
    }
    cells[2 * hole + 1] = 0;
    this.#size--;
  }

  #from(start: number, hash: number): number {
    const cells = this.#cells;
    const mask = this.#mask;
    for (let place = start; cells[2 * place + 1] !== 0; place = (place + 1) & mask) {
      if (cells[2 * place] === hash) return place;
    }
    return -1;
  }

  #put(hash: number, filled: number): void {
    const cells = this.#cells;
    const mask = this.#mask;
    let place = hash & mask;
    while (cells[2 * place + 1] !== 0) place = (place + 1) & mask;
    cells[2 * place] = hash;
    cells[2 * place + 1] = filled;
  }

  #grow(): void {
    const before = this.#cells;
    this.#cells = new Int32Array(2 * before.length);
    this.#mask = before.length - 1;
    for (let i = 0; i < before.length; i += 2) {
      if (before[i + 1] !== 0) this.#put(before[i] as number, before[i + 1] as number);
    }
  }
}

/**
 * FNV-1a over UTF-16 units from `start` to `end` (http://www.isthe.com/chongo/tech/comp/fnv), then stirred as MurmurHash3
 * does in the end, because places are found by the low bits.
 */
export function hashOf(text: string, seed: number, start = 0, end = text.length): number {
  let h = Math.imul(seed ^ 0x811c9dc5, 0x01000193);
  for (let i = start; i < end; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
