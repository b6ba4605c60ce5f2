/** What only a database server can do: go away, and be shared. Needs ESPALIER_TEST_DATABASE_URL. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { tmpdir } from 'node:os';
import { pino } from 'pino';
import { readConfig } from '../../src/config.js';
import { Database } from '../../src/database/database.js';
import { DatabaseOpenError, DatabaseUnavailableError } from '../../src/errors/database.js';
import { createDatabase, onPostgres, type TestDatabase } from './support/postgres.js';
import { until } from './support/processes.js';
import { TestService } from './support/service.js';
import { BASE } from './support/small-tree.js';
import { TcpRelay } from './support/tcp-relay.js';

const silent = pino({ enabled: false });
const open = (url: string) => Database.open(readConfig({ ESPALIER_DATA: tmpdir(), DATABASE_URL: url }), silent);

(onPostgres ? describe : describe.skip)('a PostgreSQL server', () => {
  let server: TestDatabase;
  let relay: TcpRelay;
  let relayed: string;

  beforeAll(async () => {
    server = (await createDatabase())!;
    const url = new URL(server.url);
    relay = new TcpRelay({ host: url.hostname, port: Number(url.port || 5432) });
    await relay.open();
    url.host = `127.0.0.1:${relay.port}`;
    relayed = url.href;
  });
  afterAll(async () => {
    await relay.cut();
    await server.drop();
  });

  it('is migrated once by several who start at once', async () => {
    const databases = await Promise.all([open(server.url), open(server.url), open(server.url)]);
    try {
      const rows = await databases[0].client.$queryRaw<unknown[]>`SELECT migration_name FROM _prisma_migrations`;
      expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(rows.length);
      expect(await databases[2].client.model.count()).toBe(0);
    } finally {
      await Promise.all(databases.map((database) => database.close()));
    }
  });

  it('can be lost and come back, and every error meanwhile says so', async () => {
    const database = await open(relayed);
    try {
      expect(await database.client.model.count()).toBe(0);
      const interrupted = database.transaction(async (transaction) => {
        await transaction.model.count();
        await relay.cut();
        return transaction.model.count();
      });
      await expect(interrupted).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await expect(database.client.model.count()).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await expect(database.client.$queryRaw`SELECT 1`).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await expect(database.transaction((t) => t.model.count())).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await expect(database.ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await relay.open();
      await database.ping();
      expect(await database.client.model.count()).toBe(0);
    } finally {
      await database.close();
    }
  }, 60_000);

  it('can be lost under a running service, which serves on from memory and says why it can’t change anything', async () => {
    const service = await TestService.start({ env: { DATABASE_URL: relayed } });
    try {
      const push = () =>
        service.call<{ error: { code: string } }>('/api/v1/models', { json: { name: 'x', folder: BASE } });
      const ready = () => service.call<{ reasons: string[] }>('/health/ready', { key: null });
      await until(async () => (await ready()).status === 200);
      await relay.cut();
      expect(await push()).toMatchObject({ status: 503, body: { error: { code: 'database_unavailable' } } });
      expect(await ready()).toMatchObject({ status: 503, body: { reasons: [expect.stringContaining('database')] } });
      expect((await service.call('/v1/models', { key: service.keys.infer })).status).toBe(200);
      await relay.open();
      await until(async () => (await ready()).status === 200);
      expect((await push()).status).toBe(201);
    } finally {
      await service.remove();
    }
  }, 180_000);

  it('that ends our sessions is lost for that query alone', async () => {
    const database = await open(server.url);
    try {
      const ended = database.client.$queryRaw`SELECT pg_terminate_backend(pg_backend_pid())`;
      await expect(ended).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await database.ping();
    } finally {
      await database.close();
    }
  });

  it('keeps to the schema that the URL names', async () => {
    const database = await open(`${server.url}?schema=orchard`);
    try {
      expect(await database.client.model.count()).toBe(0);
      const rows = await database.client.$queryRaw<unknown[]>`SELECT to_regclass('orchard."Model"')::text AS found`;
      expect(rows).not.toEqual([{ found: null }]);
    } finally {
      await database.close();
    }
  });

  it('that isn’t there is named, without the password', async () => {
    const attempt = open('postgresql://someone:hunter2@127.0.0.1:1/nothing');
    await expect(attempt).rejects.toBeInstanceOf(DatabaseOpenError);
    await expect(attempt).rejects.toThrow('PostgreSQL at 127.0.0.1:1/nothing');
    await expect(attempt).rejects.not.toThrow('hunter2');
  });
});
