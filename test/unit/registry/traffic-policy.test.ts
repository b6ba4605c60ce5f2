/** Which paths are merged for their traffic, and that they don't come and go with every request. */
import { PathTraffic, type SharedPath } from '../../../src/registry/merges/path-traffic.js';
import { mergedForTraffic, type TrafficView } from '../../../src/registry/merges/traffic-policy.js';
import type { ResolvedPath } from '../../../src/tree/resolved-path.js';

const MINUTE_MS = 60_000;
const revision = { id: 'r', number: 1, digest: 'r', rank: 1, bytes: 1, configBlob: '', weightsBlob: '' };

function path(digest: string, weight = 1): ResolvedPath {
  const step = {
    nodeId: digest,
    nodePath: `m/${digest}`,
    reason: 'head' as const,
    weight,
    revision,
    stale: false,
    offPin: false,
    recalled: null,
  };
  const model = { id: 'm', name: 'm', digest: 'm' };
  return { path: `m/${digest}`, redirectedFrom: null, model, steps: [step], digest };
}

const shared = (digest: string, share: number, requests = 1000): SharedPath => ({
  resolved: path(digest),
  share,
  requests,
});

function chosen(view: Partial<TrafficView>): string[] {
  const whole = { paths: [], since: new Map<string, number>(), bytes: () => 1, freeBytes: 2, nowMs: 0, ...view };
  return mergedForTraffic(whole)
    .map(({ resolved }) => resolved.digest)
    .sort();
}

test('a path enters with a large share of enough requests, as far as there is room', () => {
  const paths = [shared('a', 0.4), shared('b', 0.3), shared('c', 0.2), shared('d', 0.1)];
  expect(chosen({ paths })).toEqual(['a', 'b']);
  expect(chosen({ paths, freeBytes: 10 })).toEqual(['a', 'b', 'c']);
  expect(chosen({ paths, freeBytes: 0 })).toEqual([]);
  expect(chosen({ paths: [shared('a', 1, 19)] })).toEqual([]);
});

test('it leaves at a smaller share than it enters, and not at once', () => {
  const since = new Map([['a', 0]]);
  expect(chosen({ paths: [shared('a', 0.06)], since, nowMs: 2 * MINUTE_MS })).toEqual(['a']);
  expect(chosen({ paths: [shared('a', 0.04)], since, nowMs: 2 * MINUTE_MS })).toEqual([]);
  expect(chosen({ paths: [shared('a', 0.04)], since, nowMs: MINUTE_MS / 2 })).toEqual(['a']);
});

test('another takes its place only with clearly more', () => {
  const since = new Map([['a', 0]]);
  const view = (share: number, nowMs = 2 * MINUTE_MS) => ({
    paths: [shared('b', share), shared('a', 0.2)],
    since,
    freeBytes: 1,
    nowMs,
  });
  expect(chosen(view(0.29))).toEqual(['a']);
  expect(chosen(view(0.31))).toEqual(['b']);
  expect(chosen(view(0.31, MINUTE_MS / 2))).toEqual(['a']);
});

test('what pins need is given up, also by those that have just come', () => {
  const since = new Map([['a', 0]]);
  expect(chosen({ paths: [shared('a', 0.5)], since, freeBytes: 0 })).toEqual([]);
});

test('shares are of all requests, those of the base included, and fade', () => {
  const traffic = new PathTraffic();
  for (let i = 0; i < 60; i++) traffic.note(path('a'), 0);
  for (let i = 0; i < 40; i++) traffic.note(path('base', 0), 0);
  expect(traffic.shares(0)).toMatchObject([{ resolved: { digest: 'a' }, share: 0.6, requests: 60 }]);
  expect(traffic.shares(5 * MINUTE_MS)).toMatchObject([{ share: 0.6, requests: 30 }]);
  for (let i = 0; i < 50; i++) traffic.note(path('b'), 5 * MINUTE_MS);
  const later = traffic.shares(5 * MINUTE_MS);
  expect(later.map(({ resolved: { digest }, share }) => [digest, share])).toEqual([
    ['b', 0.5],
    ['a', 0.3],
  ]);
});

test('paths that come once are forgotten, and those that come often are not', () => {
  const traffic = new PathTraffic();
  for (let i = 0; i < 5_000; i++) {
    traffic.note(path(`once ${i}`), i);
    traffic.note(path('often'), i);
  }
  const shares = traffic.shares(5_000);
  expect(shares.length).toBeLessThanOrEqual(4_001);
  expect(shares[0]?.resolved.digest).toBe('often');
});
