/** The service with its blobs on an S3 server; without ESPALIER_TEST_S3_ENDPOINT these tests are left out. */
import { jest } from '@jest/globals';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { blobKey } from '../../src/storage/blob-store.js';
import { S3_ENDPOINT, TestBucket } from '../unit/storage/support/test-bucket.js';
import { TestService } from './support/service.js';
import { TcpRelay } from './support/tcp-relay.js';
import { formOf, TinyRegistry } from './support/tiny-registry.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(120_000);

/** Goes up in parts. */
const LARGE_BYTES = 40 * 1024 * 1024;

const describeS3 = S3_ENDPOINT === undefined ? describe.skip : describe;

let bucket: TestBucket;
let relay: TcpRelay;
beforeAll(async () => {
  if (S3_ENDPOINT === undefined) return;
  bucket = await TestBucket.make();
  relay = new TcpRelay({ host: new URL(S3_ENDPOINT).hostname, port: Number(new URL(S3_ENDPOINT).port) });
  await relay.open();
});
afterAll(async () => {
  if (S3_ENDPOINT === undefined) return;
  await relay.cut();
  await bucket.remove();
});

/** Each test's blobs apart. */
function storedUnder(prefix: string): Record<string, string> {
  return {
    ESPALIER_BLOBS: `s3://${bucket.name}/${prefix}`,
    ESPALIER_S3_ENDPOINT: `http://127.0.0.1:${relay.port}`,
    AWS_ACCESS_KEY_ID: process.env['AWS_ACCESS_KEY_ID'] ?? '',
    AWS_SECRET_ACCESS_KEY: process.env['AWS_SECRET_ACCESS_KEY'] ?? '',
  };
}

async function keysUnder(prefix: string): Promise<string[]> {
  return (await bucket.keys()).filter((key) => key.startsWith(`${prefix}/`)).sort();
}

describeS3('a registry on S3', () => {
  let registry: TinyRegistry;
  beforeAll(async () => {
    registry = await TinyRegistry.start({ env: storedUnder('tiny') });
  });
  afterAll(() => registry.remove());

  test('keeps the files of an adapter in the bucket alone, as they came', async () => {
    const folder = await registry.adapter('kept', { seed: 1 });
    const { id } = (await registry.pushForm({ path: 'tiny/kept' }, folder)).body;
    expect(await keysUnder('tiny')).toHaveLength(2);
    expect(await readdir(registry.service.dataFolder)).not.toContain('blobs');
    const answer = await registry.service.fetch(`/api/v1/revisions/${id}/files/adapter_model.safetensors`);
    expect(answer.status).toBe(200);
    const weights = await readFile(join(folder, 'adapter_model.safetensors'));
    expect(Buffer.from(await answer.arrayBuffer()).equals(weights)).toBe(true);
    expect(registry.service.logs).not.toContain(process.env['AWS_SECRET_ACCESS_KEY']);
  });

  test('takes back what a push that fails has stored', async () => {
    const before = await keysUnder('tiny');
    const broken = await registry.adapter('broken', { seed: 2, config: { use_dora: true } });
    expect((await registry.pushForm({ path: 'tiny/broken' }, broken)).status).toBe(400);
    // The other file is one that a revision has.
    const half = await registry.adapter('kept', { seed: 1, config: { lora_alpha: 'much' } });
    expect((await registry.pushForm({ path: 'tiny/half' }, half)).status).toBe(400);
    expect(await keysUnder('tiny')).toEqual(before);
  });

  test('is told that the store is away, and goes on when it is back', async () => {
    await relay.cut();
    const folder = await registry.adapter('away', { seed: 3 });
    const refused = await registry.pushForm({ path: 'tiny/away' }, folder);
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'storage_unavailable' } } });
    expect(refused.headers.get('retry-after')).toBe('5');
    const ready = () => registry.service.call('/health/ready', { key: null });
    expect(await ready()).toMatchObject({ status: 503, body: { blobs: 'down' } });
    await relay.open();
    while ((await ready()).status !== 200) await sleep(100);
    expect((await registry.pushForm({ path: 'tiny/away' }, folder)).status).toBe(201);
  });

  test('has nothing of an upload in which it was killed, and takes it anew', async () => {
    const folder = join(registry.folder, 'large');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'adapter_config.json'), '{}');
    await writeFile(join(folder, 'adapter_model.safetensors'), Buffer.alloc(LARGE_BYTES, 1));
    const before = await keysUnder('tiny');
    const pushing = registry.service
      .fetch('/api/v1/revisions', { method: 'POST', body: await formOf({ path: 'tiny/large' }, folder) })
      .catch(() => undefined);
    while ((await bucket.uploads()).length === 0) await sleep(2);
    await registry.service.kill9();
    await pushing;
    const after = await keysUnder('tiny');
    // Its small file may be there: without a revision that has it, it is garbage to be collected.
    expect(after.filter((key) => !before.includes(key)).length).toBeLessThanOrEqual(1);
    await registry.service.launch();
    expect(await readdir(join(registry.service.dataFolder, 'blob-cache', 'tmp'))).toEqual([]);
    expect(await registry.push('tiny/after', { seed: 4 })).toMatchObject({ number: 1 });
  });

  test('refuses a start without its bucket, and says what to do', async () => {
    const env = { ...storedUnder('x'), ESPALIER_BLOBS: 's3://espalier-no-such-bucket' };
    await expect(TestService.start({ env })).rejects.toThrow('Make the bucket "espalier-no-such-bucket"');
  });
});

describeS3('the demo tree on S3', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await TestService.start({ demo: true, env: storedUnder('demo') });
  });
  afterAll(() => service.remove());

  const complete = async (model: string): Promise<{ status: number; text?: string; code?: string }> => {
    const json = { model, prompt: 'Le capitaine', max_tokens: 8, temperature: 0 };
    const { status, body } = await service.call<{ choices?: { text: string }[]; error?: { code: string } }>(
      '/v1/completions',
      { json },
    );
    return { status, text: body.choices?.[0]?.text, code: body.error?.code };
  };
  const cache = (): string => join(service.dataFolder, 'blob-cache');

  test('is served from the bucket, the same as ever', async () => {
    const { status, text } = await complete('storyteller/french/verne');
    expect(status).toBe(200);
    await service.stop();
    await rm(cache(), { recursive: true });
    await service.launch();
    expect(await complete('storyteller/french/verne')).toEqual({ status, text, code: undefined });
    // Only what the path needs was fetched.
    const fetched = (await readdir(cache())).filter((name) => name !== 'tmp');
    expect(fetched).toHaveLength(4);
    const all = await keysUnder('demo');
    for (const name of fetched) expect(all).toContain(`demo/${blobKey(name)}`);
  });

  test('is served as far as it is cached while the bucket is away', async () => {
    await relay.cut();
    try {
      expect((await complete('storyteller/french/verne')).status).toBe(200);
      expect(await complete('storyteller/german')).toMatchObject({ status: 503, code: 'storage_unavailable' });
    } finally {
      await relay.open();
    }
    expect((await complete('storyteller/german')).status).toBe(200);
  });

  test('a damaged object is never served', async () => {
    const [name = ''] = (await readdir(cache())).filter((one) => one !== 'tmp');
    await service.stop();
    await rm(cache(), { recursive: true });
    const key = `demo/${blobKey(name)}`;
    const right = await bucket.get(key);
    await bucket.put(key, 'other bytes');
    await service.launch();
    const answers = [await complete('storyteller/french/verne'), await complete('storyteller/german')];
    expect(answers.map(({ code }) => code)).toContain('blob_damaged');
    await bucket.put(key, right);
    expect((await complete('storyteller/french/verne')).status).toBe(200);
    expect((await complete('storyteller/german')).status).toBe(200);
  });
});
