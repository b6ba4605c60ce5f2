/** What a key that is bound to a subtree sees of an entry. */
import { withinSight } from '../../../src/registry/audit/audit-view.js';

const OWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const FOREIGN = '01BX5ZZKBKACTAV9WEVGEMMVRZ';
const sight = { top: 'm/top', isVisibleId: (id: string) => id === OWN };

function seen(before: Record<string, unknown> | null, path: string | null = 'm/top/a') {
  const entry = {
    sequence: 1,
    at: '2026-01-01T00:00:00.000Z',
    key: { id: null, name: 'k' },
    request: 'r',
    action: 'node.move',
    node: OWN,
    path,
    before,
    after: null,
  };
  return withinSight(entry, sight);
}

test.each([
  ['m/top', 'm/top'],
  ['m/top/a', 'm/top/a'],
  ['m/topper', null],
  ['m/other/a', null],
  ['m', null],
])('a path %s is shown as %s', (path, shown) => {
  expect(seen({ path }, path)).toMatchObject({ path: shown, before: { path: shown } });
});

test.each<[unknown, unknown]>([
  [OWN, OWN],
  [FOREIGN, null],
  [
    [OWN, FOREIGN],
    [OWN, null],
  ],
  [{ place: { where: 'm/other/x', count: 3, on: true } }, { place: { where: null, count: 3, on: true } }],
  ['pinned', 'pinned'],
  [null, null],
])('of values, %j becomes %j', (value, shown) => {
  expect(seen({ value }).before).toEqual({ value: shown });
});

test('texts of people and the ids of keys are shown as they are', () => {
  const before = {
    description: 'm/other/x',
    tags: ['a/b'],
    message: 'see m/other',
    source: { hub: 'org/name' },
    key: FOREIGN,
  };
  expect(seen(before).before).toEqual(before);
  expect(seen(null).before).toBeNull();
});
