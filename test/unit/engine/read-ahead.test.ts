import fc from 'fast-check';
import type { AdapterUse } from '../../../src/engine/protocol.js';
import { readAhead, type ReadAhead } from '../../../src/engine/read-ahead.js';
import { adapter } from './support/requests.js';

/** Adapters are named after their bytes: `a40`. */
const bytesOf = ({ digest }: AdapterUse): number => Number(digest.slice(1));
const rows = (...paths: string[]): AdapterUse[][] =>
  paths.map((path) => path.split(' ').map((digest) => adapter(digest, 8)));

function plan(
  paths: string[],
  { room = 100, reads = 4, there = [] as string[] } = {},
): [keep: string[], read: string[]] {
  const { keep, read } = readAhead(rows(...paths), {
    roomBytes: room,
    reads,
    bytesOf,
    isAbsent: (digest) => !there.includes(digest),
  });
  return [[...keep], read.map(({ digest }) => digest)];
}

test('all that is missing is read at once, in order, as far as there is room; what is there stays', () => {
  expect(plan(['a40 b10', 'b10 c20', 'd30', 'e30'], { there: ['a40', 'd30'] })).toEqual([
    ['a40', 'b10', 'c20', 'd30'],
    ['b10', 'c20'],
  ]);
});

test('nothing goes past a row that waits for room, however small it is', () => {
  expect(plan(['a40', 'b70', 'c10'])).toEqual([['a40'], ['a40']]);
  // It was read for a younger row than the one that has come to the front since.
  expect(plan(['a40', 'b70', 'c10'], { there: ['c10'] })).toEqual([['a40'], ['a40']]);
});

test('the first in line has all it needs, and then the room is what it left', () => {
  expect(plan(['a40 b70', 'c10'])).toEqual([
    ['a40', 'b70'],
    ['a40', 'b70'],
  ]);
  expect(plan(['a40 b50', 'c10'], { reads: 0 })).toEqual([
    ['a40', 'b50', 'c10'],
    ['a40', 'b50'],
  ]);
});

test('a few are read at a time; those that come later keep their room', () => {
  expect(plan(['a10', 'b40', 'c40', 'd10'], { reads: 2 })).toEqual([
    ['a10', 'b40', 'c40', 'd10'],
    ['a10', 'b40'],
  ]);
});

/** Host memory with rows that come, begin when their adapters are there, and leave; adapters take a while to read. */
class Queue {
  readonly room: number;
  waiting: AdapterUse[][] = [];
  readonly there = new Set<string>();
  readonly #ticks = new Map<string, number>();
  kept = new Set<string>();

  constructor(room: number) {
    this.room = room;
  }

  plan(): ReadAhead {
    const made = readAhead(this.waiting, {
      roomBytes: this.room,
      reads: 2 - this.#ticks.size,
      bytesOf,
      isAbsent: (digest) => !this.there.has(digest) && !this.#ticks.has(digest),
    });
    this.kept = made.keep;
    for (const { digest } of made.read) this.#ticks.set(digest, bytesOf(adapter(digest, 1)) % 4);
    // Nobody needs the rest: it is gone at the first chance.
    for (const digest of this.there) if (!made.keep.has(digest)) this.there.delete(digest);
    return made;
  }

  /** Waiting rows for which all is kept, and so for all before them. */
  get served(): AdapterUse[][] {
    const end = this.waiting.findIndex((uses) => !uses.every(({ digest }) => this.kept.has(digest)));
    return this.waiting.slice(0, end < 0 ? this.waiting.length : end);
  }

  tick(): void {
    for (const [digest, left] of [...this.#ticks]) {
      this.#ticks.set(digest, left - 1);
      if (left > 0) continue;
      this.#ticks.delete(digest);
      this.there.add(digest);
    }
  }
}

test('whatever comes and leaves, every row begins, no younger row costs an older one its adapters, and room is kept to', () => {
  const path = fc.uniqueArray(fc.integer({ min: 5, max: 40 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(fc.record({ path, cancels: fc.nat(), ticks: fc.nat({ max: 2 }) })), (arrivals) => {
      const queue = new Queue(100);
      const step = (): void => {
        const served = queue.served;
        const { keptBytes } = queue.plan();
        const first = (queue.waiting[0] ?? []).reduce((sum, use) => sum + bytesOf(use), 0);
        expect(keptBytes).toBeLessThanOrEqual(Math.max(queue.room, first));
        // Rows only come behind, so one for which all was kept has it until it leaves.
        for (const row of served) if (queue.waiting.includes(row)) expect(queue.served).toContain(row);
        queue.tick();
        const ready = queue.waiting.findIndex((uses) => uses.every(({ digest }) => queue.there.has(digest)));
        if (ready >= 0) queue.waiting.splice(ready, 1);
      };
      for (const { path: digests, cancels, ticks } of arrivals) {
        queue.waiting.push(digests.map((bytes) => adapter(`a${bytes}`, 8)));
        for (let n = 0; n < ticks; n++) step();
        if (cancels % 3 === 0) queue.waiting.splice(cancels % queue.waiting.length, 1);
      }
      for (let n = 0; queue.waiting.length > 0; n++) {
        if (n > 2000) throw new Error(`${queue.waiting.length} rows never began`);
        step();
      }
    }),
    { numRuns: 300 },
  );
});
