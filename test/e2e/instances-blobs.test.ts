/**
 * Two instances on one database, one store of blobs and one folder of models: what one takes back must not be what the
 * other records. Needs ESPALIER_TEST_DATABASE_URL, and for the store on S3 ESPALIER_TEST_S3_ENDPOINT.
 */
import { jest } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ImportedModelDto } from '../../src/registry/dto/model.dto.js';
import type { PushedRevisionDto } from '../../src/registry/dto/revision.dto.js';
import { TINY, writeCheckpoint } from '../unit/formats/support/tiny-model.js';
import { S3_ENDPOINT, TestBucket } from '../unit/storage/support/test-bucket.js';
import { until } from './support/processes.js';
import { createDatabase, onPostgres, type TestDatabase } from './support/postgres.js';
import { TestService } from './support/service.js';
import { formOf, TinyRegistry, type ErrorBody } from './support/tiny-registry.js';

jest.setTimeout(180_000);

const ROUNDS = 16;

interface SharedStore {
  env: Record<string, string>;
  /** Names of all blobs. */
  blobs: () => Promise<string[]>;
  remove: () => Promise<void>;
}

function folderStore(folder: string): Promise<SharedStore> {
  const blobs = join(folder, 'blobs');
  return Promise.resolve({
    env: { ESPALIER_BLOBS: blobs },
    blobs: async () => {
      const files = await readdir(blobs, { recursive: true, withFileTypes: true });
      return files.filter((file) => file.isFile()).map(({ name }) => name);
    },
    remove: () => Promise.resolve(),
  });
}

async function bucketStore(): Promise<SharedStore> {
  const bucket = await TestBucket.make();
  return {
    env: {
      ESPALIER_BLOBS: `s3://${bucket.name}`,
      ESPALIER_S3_ENDPOINT: bucket.endpoint,
      AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? '',
      AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
    blobs: async () => (await bucket.keys()).map((key) => key.slice(3)),
    remove: () => bucket.remove(),
  };
}

describe.each([
  { kind: 'a folder', make: folderStore, skip: !onPostgres },
  { kind: 'S3', make: bucketStore, skip: !onPostgres || S3_ENDPOINT === undefined },
])('two instances with their blobs in $kind', ({ make, skip }) => {
  if (skip) {
    test.skip('need a database server, and a server of their kind', () => undefined);
    return;
  }
  let database: TestDatabase;
  let folder: string;
  let store: SharedStore;
  let first: TinyRegistry;
  let second: TestService;

  beforeAll(async () => {
    database = (await createDatabase())!;
    folder = await mkdtemp(join(tmpdir(), 'espalier shared '));
    store = await make(folder);
    const env = { DATABASE_URL: database.url, ESPALIER_MODELS: join(folder, 'models'), ...store.env };
    first = await TinyRegistry.start({ env });
    const { keys } = first.service;
    second = await TestService.start({ keys, env: { ...env, ESPALIER_IMPORT_ROOTS: first.folder } });
  });
  afterAll(async () => {
    await second.remove();
    await first.remove();
    await store.remove();
    await rm(folder, { recursive: true, force: true });
    await database.drop();
  });

  async function push(service: TestService, path: string, adapter: string) {
    const body = await formOf({ path }, adapter);
    return service.call<PushedRevisionDto & ErrorBody>('/api/v1/revisions', { method: 'POST', body });
  }

  test('push the same bytes, of which one push fails: what is recorded is there', async () => {
    const recorded = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const adapter = await first.adapter(`round-${round}`, { seed: 100 + round });
      const [good, bad] = await Promise.all([
        sleep((round * 7) % 20).then(() => push(first.service, `tiny/round-${round}`, adapter)),
        sleep((round * 11) % 20).then(() => push(second, 'tiny/nowhere/below', adapter)),
      ]);
      expect(bad.status).toBe(404);
      if (good.status !== 201) expect(good).toMatchObject({ status: 409, body: { error: { code: 'blob_vanished' } } });
      const { status, body } = good.status === 201 ? good : await push(first.service, `tiny/round-${round}`, adapter);
      expect(status).toBe(201);
      const weights = await readFile(join(adapter, 'adapter_model.safetensors'));
      for (const service of [first.service, second]) {
        const path = `/api/v1/revisions/${body.id}/files/adapter_model.safetensors`;
        // The other instance hears of it in a moment.
        await until(async () => (await service.fetch(path, { method: 'HEAD' })).status === 200);
        const file = await service.fetch(path);
        expect(Buffer.from(await file.arrayBuffer()).equals(weights)).toBe(true);
        recorded.add(file.headers.get('etag') ?? '');
      }
    }
    // All adapters have the same config.
    expect(await store.blobs()).toHaveLength(recorded.size + 1);
  });

  test('import the same checkpoint at once into one folder', async () => {
    const source = join(first.folder, 'twice');
    await writeCheckpoint(source, { ...TINY, vocab_size: 4_000, tie_word_embeddings: true });
    const importOn = (service: TestService, name: string) =>
      service.call<ImportedModelDto>('/api/v1/models', { json: { name, folder: source } });
    const both = await Promise.all([importOn(first.service, 'one'), importOn(second, 'two')]);
    expect(both.map(({ status }) => status)).toEqual([201, 201]);
    expect(both[0].body.digest).toBe(both[1].body.digest);
    const folders = await readdir(join(folder, 'models'));
    expect(folders.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    // The same name: one is recorded, and the files of the other are the same and stay.
    const same = await Promise.all([importOn(first.service, 'same'), importOn(second, 'same')]);
    expect(same.map(({ status }) => status).sort()).toContain(201);
    expect((await readdir(join(folder, 'models'))).sort()).toEqual(folders.sort());
  });
});
