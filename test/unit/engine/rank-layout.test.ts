import fc from 'fast-check';
import { RankLayout } from '../../../src/engine/rank-layout.js';

/** Places at the first fit, as the bank does. */
function enter(layout: RankLayout, digest: string, rank: number): number {
  const offset = layout.firstFit(rank);
  for (const cold of layout.coldIn(offset, rank)) layout.remove(cold);
  layout.place(digest, offset, rank);
  return offset;
}

test('spans in use lie side by side from the front', () => {
  const layout = new RankLayout();
  expect(['a', 'b', 'c'].map((digest) => enter(layout, digest, 4))).toEqual([0, 4, 8]);
  expect([layout.usedEnd, layout.usedRanks]).toEqual([12, 12]);
});

test.each([
  [3, 4, ['b']],
  [4, 4, ['b']],
  [5, 12, []],
])('a hole of 4 and a span of %i', (rank, offset, gone) => {
  const layout = new RankLayout();
  for (const digest of ['a', 'b', 'c']) enter(layout, digest, 4);
  layout.setInUse('b', false);
  expect(layout.coldIn(layout.firstFit(rank), rank)).toEqual(gone);
  expect(enter(layout, 'new', rank)).toBe(offset);
});

test('compaction slides down, in order', () => {
  const layout = new RankLayout();
  for (const [digest, rank] of [
    ['a', 2],
    ['b', 3],
    ['c', 4],
    ['d', 1],
  ] as const)
    enter(layout, digest, rank);
  layout.remove('a');
  layout.remove('c');
  expect(layout.compact()).toEqual([
    { from: 2, to: 0, rank: 3 },
    { from: 9, to: 3, rank: 1 },
  ]);
  expect(layout.compact()).toEqual([]);
});

test('spans never overlap, and compaction leaves no gap', () => {
  const command = fc.record({
    digest: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    rank: fc.integer({ min: 1, max: 9 }),
    compact: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const layout = new RankLayout();
      for (const { digest, rank, compact } of commands) {
        const span = layout.span(digest);
        if (span === undefined) enter(layout, digest, rank);
        else layout.setInUse(digest, !span.inUse);
        if (compact) {
          for (const cold of layout.coldIn(0, layout.usedRanks)) layout.remove(cold);
          layout.compact();
          expect(layout.usedEnd).toBe(layout.usedRanks);
        }
        const taken = new Set<number>();
        let total = 0;
        for (const each of layout.spans) {
          total += each.rank;
          for (let row = each.offset; row < each.offset + each.rank; row++) taken.add(row);
        }
        expect(taken.size).toBe(total);
      }
    }),
  );
});
