/** What a stranger meets first: the start of an empty data folder, and the line that it prints. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { TestService } from './support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await TestService.start({ demo: true });
}, 180_000);
afterAll(() => service.remove());

it('prints a line that streams text when it is pasted into a shell as it is', () => {
  const line = service.output.split('\n').find((text) => text.trim().startsWith('curl ')) ?? '';
  expect(line).toContain('storyteller/french/verne');
  // From another folder, and with nothing in the environment that the line could lean on.
  const run = spawnSync('sh', ['-c', line], { cwd: '/', env: { PATH: process.env['PATH'] }, encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const events = run.stdout.split('\n\n').filter((event) => event.startsWith('data: {'));
  expect(events.length).toBeGreaterThan(5);
  expect(run.stdout.trimEnd()).toMatch(/data: \[DONE\]$/);
}, 60_000);

it('serves the whole demo tree, and does not import it twice', async () => {
  const nodes = async () => (await service.call<{ data: object[] }>('/api/v1/nodes?limit=100')).body.data;
  const before = await nodes();
  expect(before.length).toBeGreaterThan(7);
  await service.stop();
  await service.launch();
  expect(await nodes()).toEqual(before);
}, 180_000);
