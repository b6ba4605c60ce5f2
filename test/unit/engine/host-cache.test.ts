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
      cache.hold(adapter(digest, bytes), 0);
      cache.letGo(digest, 0);
    };
    load('early', 40);
    cache.pin('early');
    cache.pin('late');
    load('late', 40);
    for (const digest of ['a', 'b', 'c']) load(digest, 20);
    expect(dropped).toEqual(['a', 'b']);
    expect([cache.bytes, cache.pinnedBytes, cache.size, cache.evictions]).toEqual([100, 80, 3, 2]);
    cache.unpin('early', 0);
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
      cache.hold(adapter(digest, 60), 0);
      cache.letGo(digest, 0);
    }
    expect([cache.has('one'), cache.has('two'), cache.pinnedBytes]).toEqual([true, false, 60]);
  });

  test('that had no room are kept as soon as there is some', () => {
    const cache = new HostCache(100);
    for (const [digest, bytes] of [
      ['one', 60],
      ['two', 40],
      ['three', 60],
    ] as const) {
      cache.pin(digest);
      cache.hold(adapter(digest, bytes), 0);
    }
    expect([cache.bytes, cache.pinnedBytes]).toEqual([160, 100]);
    cache.unpin('one', 0);
    expect([cache.has('one'), cache.has('three'), cache.pinnedBytes]).toEqual([false, true, 100]);
  });

  test('leave room for what is held for waiting rows only up to the limit', () => {
    const cache = new HostCache(100);
    cache.pin('pinned');
    cache.hold(adapter('pinned', 60), 0);
    expect(cache.hasRoom).toBe(true);
    cache.hold(adapter('waits', 40), 0);
    expect(cache.hasRoom).toBe(false);
    cache.letGo('waits', 0);
    expect([cache.hasRoom, cache.bytes]).toEqual([true, 100]);
  });

  test('are counted: two that pin an adapter both have to let it go', () => {
    const cache = new HostCache(100);
    cache.pin('a');
    cache.pin('a');
    cache.hold(adapter('a', 80), 0);
    cache.unpin('a', 0);
    expect(cache.pinnedBytes).toBe(80);
    cache.unpin('a', 0);
    expect([cache.pinnedBytes, cache.bytes, cache.has('a')]).toEqual([0, 80, true]);
    cache.hold(adapter('b', 80), 0);
    expect(cache.has('a')).toBe(false);
  });
});
