/** The demo tree of a first start. */
import { jest } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { RevisionDto } from '../../src/registry/dto/revision.dto.js';
import { TestService } from './support/service.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(180_000);

let service: TestService;
beforeAll(async () => {
  service = await TestService.start({ demo: true });
});
afterAll(() => service.remove());

const PATHS = [
  'storyteller',
  'storyteller/doyle',
  'storyteller/french',
  'storyteller/french/verne',
  'storyteller/german',
  'storyteller/german/kafka',
  'storyteller/spanish',
  'storyteller/spanish/galdos',
];

const nodes = async () => (await service.call<Page<NodeDto>>('/api/v1/nodes?limit=1000')).body.data;

test('is there, each node at its first revision, trained on its parent, without warnings', async () => {
  const found = await nodes();
  expect(found.map(({ path }) => path)).toEqual(PATHS);
  expect(found.slice(1).map(({ head, revisions, stale }) => [head?.number, revisions, stale])).toEqual(
    PATHS.slice(1).map(() => [1, 1, false]),
  );
  for (const { id, parent, path } of found.slice(1)) {
    const { body } = await service.call<Page<RevisionDto>>(`/api/v1/nodes/${id}/revisions`);
    expect([path, body.data.map(({ warnings, trainedOn }) => [warnings, trainedOn?.number ?? null])]).toEqual([
      path,
      [[[], parent === 'storyteller' ? null : 1]],
    ]);
  }
});

test('stays as it is at the next start', async () => {
  const before = await nodes();
  await service.stop();
  await service.launch();
  expect(await nodes()).toEqual(before);
});

test('is completed by the next start where one was cut off', async () => {
  const cutOff = await TestService.prepare({ demo: true });
  try {
    const launch = cutOff.launch().catch(() => 'killed');
    while (!existsSync(join(cutOff.dataFolder, 'demo-import'))) await new Promise((resolve) => setTimeout(resolve, 20));
    await cutOff.kill9();
    expect(await launch).toBe('killed');
    await cutOff.launch();
    const { body } = await cutOff.call<Page<NodeDto>>('/api/v1/nodes?limit=1000');
    expect(body.data.map(({ path, head }) => [path, head?.number])).toEqual(
      PATHS.map((path) => [path, path === 'storyteller' ? undefined : 1]),
    );
    expect(existsSync(join(cutOff.dataFolder, 'demo-import'))).toBe(false);
  } finally {
    await cutOff.remove();
  }
});
