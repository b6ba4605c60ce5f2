/** Health, metrics, and what clients see when the engine dies. */
import { execFileSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

interface Ready {
  status: string;
  reasons: string[];
  blobs: string;
  engine: string;
  models: { imported: number; loaded: number };
}
const ready = () => tree.service.call<Ready>('/health/ready', { key: null });

/** Process ids of the service's children that run this file. */
function children(file: string): number[] {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(tree.service.pid)], { encoding: 'utf8' });
  return lines
    .split('\n')
    .filter((line) => line.includes(file))
    .map((line) => Number.parseInt(line, 10));
}

test('probes need no key', async () => {
  expect(await tree.service.call('/health/live', { key: null })).toMatchObject({
    status: 200,
    body: { status: 'live' },
  });
  const { status, body } = await ready();
  expect(status).toBe(200);
  expect(body).toMatchObject({ status: 'ready', reasons: [], database: 'up', blobs: 'up', engine: 'ready' });
  // Strangers learn how many models there are, and no name.
  expect(body.models.imported).toBe(1);
  expect(JSON.stringify(body)).not.toContain('story');
});

test('metrics need the admin key, and speak of engine and paths', async () => {
  expect((await tree.service.call('/metrics', { key: null })).status).toBe(401);
  expect((await tree.service.call('/metrics', { key: tree.service.keys.infer })).status).toBe(403);
  const json = { model: 'story/french', prompt: 'The', max_tokens: 450, ignore_eos: true, stream: true };
  const stream = await tree.service.fetch('/v1/completions', { json });
  const { headers, body } = await tree.service.call<string>('/metrics');
  await stream.body?.cancel();
  expect(headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(body).toMatch(
    /^vllm:lora_requests_info\{max_lora="16",running_lora_adapters="story\/french",waiting_lora_adapters=""\} \d/m,
  );
  expect(body).toMatch(/^espalier_engine_up 1$/m);
  expect(body).toMatch(/^espalier_time_to_first_output_seconds_count\{endpoint="completions"\} 1$/m);
});

test('a blob store that is gone is told, and what is served goes on', async () => {
  const json = { model: 'story/french', prompt: 'The', max_tokens: 1 };
  expect((await tree.service.call('/v1/completions', { json })).status).toBe(200);
  const blobs = join(tree.service.dataFolder, 'blobs');
  await rename(blobs, `${blobs}.away`);
  const { status, body } = await ready();
  expect({ status, blobs: body.blobs, reasons: body.reasons.length }).toEqual({
    status: 503,
    blobs: 'down',
    reasons: 1,
  });
  expect(JSON.stringify(body)).not.toContain(tree.service.dataFolder);
  expect((await tree.service.call('/v1/completions', { json })).status).toBe(200);
  await rename(`${blobs}.away`, blobs);
  expect(await ready()).toMatchObject({ status: 200, body: { blobs: 'up', reasons: [] } });
});

test('a dead engine is told at once, and comes back', async () => {
  const json = { model: 'story', prompt: 'The', max_tokens: 450, ignore_eos: true, temperature: 0 };
  const streaming = await tree.service.fetch('/v1/completions', { json: { ...json, stream: true } });
  const waiting = tree.service.call<{ error: { code: string } }>('/v1/completions', { json });
  const reader = (streaming.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  await sleep(50);
  const [engine] = children('engine/process');
  process.kill(engine!, 'SIGKILL');

  const failed = await waiting;
  expect(failed).toMatchObject({ status: 502, body: { error: { code: 'engine_died' } } });
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    rest += Buffer.from(value).toString();
  }
  // The stream had begun: its last event is the error.
  const last = rest.trim().split('\n\n').at(-1)!;
  expect(JSON.parse(last.replace(/^data: /, ''))).toMatchObject({ error: { code: 'engine_died' } });
  expect(rest).not.toContain('[DONE]');

  const states: number[] = [];
  while (states.at(-1) !== 200) {
    states.push((await ready()).status);
    await sleep(20);
  }
  const again = await tree.service.call('/v1/completions', { json: { ...json, max_tokens: 2 } });
  expect(again.status).toBe(200);
}, 60_000);
