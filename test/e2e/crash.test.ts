/** A short form of `npm run crash`: the service is killed while it is written to, and nothing may be lost. */
import { jest } from '@jest/globals';
import { join } from 'node:path';
import { runCrashes } from '../../bench/crash/crash-run.js';
import { REPOSITORY } from './support/service.js';

const LIMIT_MS = 600_000;
jest.setTimeout(LIMIT_MS);

test('what was acknowledged outlives every kill, and nothing else does', async () => {
  const summary = await runCrashes({
    rounds: 3,
    clients: 3,
    seed: 5,
    main: join(REPOSITORY, 'dist/main.js'),
    postgres: process.env['ESPALIER_TEST_DATABASE_URL'],
  });
  expect(summary.problems).toEqual([]);
  expect(summary.rounds).toBe(3);
  expect(summary.kills).toBeGreaterThanOrEqual(3);
  expect(Object.values(summary.acknowledged).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(12);
});
