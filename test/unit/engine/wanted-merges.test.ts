import { WantedMerges } from '../../../src/engine/wanted-merges.js';
import type { MergeRequest } from '../../../src/engine/protocol.js';

const died = { code: 'engine_died', status: 502, message: '' };
const request = (pathDigest: string, model = 'base'): MergeRequest => ({
  model: { digest: model, folder: '' },
  pathDigest,
  adapters: [],
});

function wanted() {
  const asked: string[] = [];
  const told: string[] = [];
  const merges = new WantedMerges(({ pathDigest }) => asked.push(pathDigest));
  merges.onChange((pathDigest) => told.push(`${pathDigest} ${merges.state(pathDigest)?.state ?? 'gone'}`));
  return { merges, asked, told };
}

test('is asked for once, and again after it failed', () => {
  const { merges, asked, told } = wanted();
  merges.want(request('a'));
  merges.want(request('a'));
  expect(asked).toEqual(['a']);
  merges.failed('a', died);
  expect(merges.state('a')).toEqual({ state: 'failed', error: died });
  merges.want(request('a'));
  merges.ready('a', 10, 2);
  merges.want(request('a'));
  expect(asked).toEqual(['a', 'a']);
  expect(merges.state('a')).toEqual({ state: 'ready', bytes: 10, seconds: 2 });
  expect(told).toEqual(['a pending', 'a failed', 'a pending', 'a ready']);
});

test('what was dropped stays so, whatever is told of it', () => {
  const { merges, told } = wanted();
  merges.want(request('a'));
  merges.want(request('b', 'other'));
  merges.drop('a');
  merges.ready('a', 10, 2);
  expect(merges.state('a')).toBeNull();
  merges.dropAll('other');
  expect(merges.state('b')).toBeNull();
  expect(told).toEqual(['a pending', 'b pending', 'a gone', 'b gone']);
});

test('a new process is asked for all that the old one had or was about to have', () => {
  const { merges, asked } = wanted();
  for (const digest of ['a', 'b', 'c']) merges.want(request(digest));
  merges.ready('a', 10, 2);
  merges.failed('b', died);
  asked.length = 0;
  merges.processDied(died);
  expect(merges.state('a')).toEqual({ state: 'pending' });
  merges.processStarted();
  expect(asked).toEqual(['a', 'c']);
});

test('the merge that two processes died of is given up, and those behind it are not', () => {
  const { merges, asked } = wanted();
  for (const digest of ['a', 'b', 'c']) merges.want(request(digest));
  for (let time = 0; time < 2; time++) {
    merges.processStarted();
    merges.ready('a', 10, 2);
    merges.processDied(died);
  }
  asked.length = 0;
  merges.processStarted();
  expect(asked).toEqual(['a', 'c']);
  expect(merges.state('b')).toEqual({ state: 'failed', error: died });
});
