/** Every model through the generated client and the embedded driver: what was written is what is read. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readConfig } from '../../../src/config.js';
import { Database } from '../../../src/database/database.js';
import { Prisma } from '../../../src/database/generated/client.js';
import { DatabaseUnavailableError } from '../../../src/errors/database.js';

let folder: string;
let database: Database;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier database '));
  database = await Database.open(readConfig({ ESPALIER_DATA: folder }), pino({ enabled: false }));
}, 60_000);
afterAll(async () => {
  await database.close();
  await rm(folder, { recursive: true });
});

it('keeps every model as it is', async () => {
  const model = {
    id: 'm1',
    name: 'storyteller',
    digest: 'd'.repeat(64),
    modelType: 'llama',
    config: { layers: 2, rope: { theta: 10_000.5 } },
    origins: ['hub/story', 'storyteller'],
    folder: 'models/d',
    parameters: 12_345_678_901n,
    bytes: 2n ** 53n + 1n,
    warnings: ['"quoted", with comma'],
  };
  const root = { id: 'n1', modelId: 'm1', name: 'storyteller' };
  const node = { id: 'n2', modelId: 'm1', parentId: 'n1', name: 'french', policy: 'follow', detached: true };
  const revision = {
    id: 'r1',
    nodeId: 'n2',
    number: 1,
    digest: 'e'.repeat(64),
    rank: 8,
    bytes: 1024n,
    configBlob: 'a'.repeat(64),
    weightsBlob: 'b'.repeat(64),
    targets: { 'model.layers.0.self_attn.q_proj': { rank: 8, scale: 2 } },
    message: 'première',
    warnings: [],
  };
  const served = {
    digest: 'p1',
    path: 'storyteller/french',
    modelName: 'storyteller',
    baseDigest: 'd',
    steps: [{ weight: 0.8 }],
  };
  const key = { id: 'k1', name: 'admin', prefix: 'esp_0', hash: 'f'.repeat(64), scopes: ['admin'] };

  await database.transaction(async (transaction) => {
    await transaction.model.create({ data: model });
    await transaction.node.createMany({ data: [root, node] });
    await transaction.revision.create({ data: revision });
    await transaction.node.update({ where: { id: 'n2' }, data: { headId: 'r1' } });
    await transaction.headChange.create({ data: { nodeId: 'n2', revisionId: 'r1', reason: 'first' } });
    await transaction.servedPath.create({ data: served });
    await transaction.apiKey.create({ data: key });
  });

  const { client } = database;
  expect(await client.model.findUnique({ where: { name: 'storyteller' } })).toMatchObject(model);
  expect(await client.node.findUnique({ where: { id: 'n2' }, include: { head: true, parent: true } })).toMatchObject({
    ...node,
    head: revision,
    parent: root,
  });
  expect(await client.headChange.findMany()).toMatchObject([{ sequence: 1n, revisionId: 'r1', reason: 'first' }]);
  expect(await client.servedPath.findUnique({ where: { digest: 'p1' } })).toMatchObject(served);
  expect(await client.apiKey.findUnique({ where: { prefix: 'esp_0' } })).toMatchObject({ ...key, revokedAt: null });
});

it('keeps the rules that the schema states', async () => {
  const twin = database.client.node.create({ data: { id: 'n3', modelId: 'm1', parentId: 'n1', name: 'french' } });
  await expect(twin).rejects.toMatchObject({ code: 'P2002' });
  await expect(database.client.node.delete({ where: { id: 'n1' } })).rejects.toBeInstanceOf(
    Prisma.PrismaClientKnownRequestError,
  );
});

it('rolls back what a failed transaction did, and lets its error through', async () => {
  const failure = new Error('no');
  const failed = database.transaction(async (transaction) => {
    await transaction.servedPath.deleteMany();
    throw failure;
  });
  await expect(failed).rejects.toBe(failure);
  expect(await database.client.servedPath.count()).toBe(1);
});

it('says that it is not available once it is not', async () => {
  await database.ping();
  await database.close();
  await expect(database.ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
  await expect(database.client.model.count()).rejects.toBeInstanceOf(DatabaseUnavailableError);
  await expect(database.transaction((transaction) => transaction.model.count())).rejects.toBeInstanceOf(
    DatabaseUnavailableError,
  );
});
