import { foldedAdapter, type FoldedAdapter } from '../../../src/engine/folded-adapter.js';
import { HostCache } from '../../../src/engine/host-cache.js';

/** Of so many bytes. */
function adapter(digest: string, bytes: number): FoldedAdapter {
  const values = new Float32Array(bytes / 4);
  const delta = {
    rank: 1,
    inFeatures: 1,
    outFeatures: values.length - 1,
    a: values.subarray(0, 1),
    b: values.subarray(1),
  };
  return foldedAdapter(digest, new Map([['m', delta]]));
}

describe('pinned adapters', () => {
  test('stay, whether they were there or come later, and count towards the limit', () => {
    const cache = new HostCache(100);
    const dropped: string[] = [];
    cache.onDrop((digest) => dropped.push(digest));
    const load = (digest: string, bytes: number): void => {
      cache.put(adapter(digest, bytes));
    };
    load('early', 40);
    cache.pin('early');
    cache.pin('late');
    load('late', 40);
    for (const digest of ['a', 'b', 'c']) load(digest, 20);
    expect(dropped).toEqual(['a', 'b']);
    expect([cache.bytes, cache.pinnedBytes, cache.size, cache.evictions]).toEqual([100, 80, 3, 2]);
    cache.unpin('early');
    expect([cache.bytes, cache.pinnedBytes]).toEqual([100, 40]);
    load('d', 20);
    expect(dropped).toEqual(['a', 'b', 'c']);
    load('e', 20);
    expect(dropped).toEqual(['a', 'b', 'c', 'early']);
    expect(cache.get('late')?.bytes).toBe(40);
  });

  test('are as many as fit: what would exceed the limit is an ordinary entry', () => {
    const cache = new HostCache(100);
    for (const digest of ['one', 'two']) {
      cache.pin(digest);
      cache.put(adapter(digest, 60));
    }
    expect([cache.has('one'), cache.has('two'), cache.pinnedBytes]).toEqual([true, false, 60]);
  });

  test('that had no room are kept as soon as there is some', () => {
    const cache = new HostCache(100);
    cache.keep({}, new Set(['three']), 60);
    for (const [digest, bytes] of [
      ['one', 60],
      ['two', 40],
      ['three', 60],
    ] as const) {
      cache.pin(digest);
      cache.put(adapter(digest, bytes));
    }
    expect([cache.bytes, cache.pinnedBytes]).toEqual([160, 100]);
    cache.unpin('one');
    expect([cache.has('one'), cache.has('three'), cache.pinnedBytes]).toEqual([false, true, 100]);
  });

  test('leave the room up to the limit to what waiting rows keep', () => {
    const cache = new HostCache(100);
    const [one, other] = [{}, {}];
    cache.pin('pinned');
    cache.put(adapter('pinned', 60));
    expect(cache.roomFor(one)).toBe(40);
    cache.keep(one, new Set(['waits']), 30);
    expect([cache.roomFor(one), cache.roomFor(other)]).toEqual([40, 10]);
    expect([cache.bytesOf('pinned'), cache.bytesOf('waits')]).toEqual([0, undefined]);
    cache.keep(one, new Set(), 0);
    expect(cache.roomFor(other)).toBe(40);
  });

  test('are counted: two that pin an adapter both have to let it go', () => {
    const cache = new HostCache(100);
    cache.pin('a');
    cache.pin('a');
    cache.put(adapter('a', 80));
    cache.unpin('a');
    expect(cache.pinnedBytes).toBe(80);
    cache.unpin('a');
    expect([cache.pinnedBytes, cache.bytes, cache.has('a')]).toEqual([0, 80, true]);
    cache.put(adapter('b', 80));
    expect(cache.has('a')).toBe(false);
  });
});

describe('what waiting rows keep', () => {
  test('stays, whether it was there or comes later, and goes like all else when nobody keeps it any more', () => {
    const cache = new HostCache(100);
    const dropped: string[] = [];
    cache.onDrop((digest) => dropped.push(digest));
    const [one, other] = [{}, {}];
    cache.put(adapter('early', 40));
    cache.keep(one, new Set(['early', 'late']), 80);
    cache.keep(other, new Set(['late']), 40);
    cache.put(adapter('late', 40));
    for (const digest of ['a', 'b', 'c']) cache.put(adapter(digest, 20));
    expect(dropped).toEqual(['a', 'b']);
    cache.keep(one, new Set(), 0);
    cache.put(adapter('d', 20));
    cache.put(adapter('e', 20));
    // It was used when it was last kept.
    expect(dropped).toEqual(['a', 'b', 'c', 'early']);
    expect(cache.has('late')).toBe(true);
    cache.keep(other, new Set(), 0);
    cache.put(adapter('f', 80));
    expect([...dropped.slice(4)].sort()).toEqual(['d', 'e', 'late']);
    expect([cache.bytes, cache.size]).toEqual([80, 1]);
  });

  test('may exceed the limit; what nobody keeps does not even enter then', () => {
    const cache = new HostCache(100);
    cache.keep({}, new Set(['a', 'b']), 160);
    cache.put(adapter('a', 80));
    cache.put(adapter('b', 80));
    cache.put(adapter('c', 20));
    expect([cache.bytes, cache.has('c'), cache.evictions]).toEqual([160, false, 1]);
  });
});
