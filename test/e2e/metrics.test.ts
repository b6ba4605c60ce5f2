/** What Prometheus reads after real requests: adapters by tier, times by lane, and that the documentation lists it all. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RawConnection } from './support/raw-http.js';
import { REPOSITORY } from './support/service.js';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

const WITHIN_MS = 60_000;

async function scrape(): Promise<string> {
  const { status, body } = await tree.service.call<string>('/metrics');
  expect(status).toBe(200);
  return body;
}

/** The value of a series, `name{label="value"}`; null where there is none. */
function valueOf(metrics: string, series: string): number | null {
  const line = metrics.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

async function complete(model: string, maxTokens: number): Promise<void> {
  const json = { model, prompt: 'The', max_tokens: maxTokens, ignore_eos: true };
  expect((await tree.service.call('/v1/completions', { json })).status).toBe(200);
}

test(
  'what was done is counted: adapters by tier, tokens, steps, and times by lane',
  async () => {
    await complete('story/french/verne', 6);
    await complete('story/german', 4);
    await complete('story/german', 4);
    await complete('story', 1);
    // The engine reports once a second.
    let metrics = await scrape();
    while (valueOf(metrics, 'espalier_engine_lane_generated_tokens{lane="factored"}') !== 15) {
      await sleep(100);
      metrics = await scrape();
    }
    const values = (...series: string[]): (number | null)[] => series.map((each) => valueOf(metrics, each));
    expect(values('espalier_adapter_misses_total', 'espalier_adapter_load_failures_total')).toEqual([3, 0]);
    expect(values('espalier_adapter_loads_total{tier="host"}', 'espalier_adapters{tier="host"}')).toEqual([3, 3]);
    const [bankHits, hostHits] = values(
      'espalier_adapter_hits_total{tier="bank"}',
      'espalier_adapter_hits_total{tier="host"}',
    );
    expect((bankHits ?? 0) + (hostHits ?? 0)).toBe(1);
    expect(valueOf(metrics, 'espalier_adapter_bytes{tier="host"}')).toBeGreaterThan(0);
    expect(valueOf(metrics, 'espalier_adapter_load_seconds_total')).toBeGreaterThan(0);

    const lane = '{lane="factored"}';
    expect(values(`espalier_time_to_first_token_seconds_count${lane}`)).toEqual([4]);
    // All tokens but the first of each row.
    expect(values(`espalier_time_between_tokens_seconds_count${lane}`)).toEqual([11]);
    expect(values('espalier_generated_tokens_total', 'espalier_requests_total{endpoint="completions"}')).toEqual([
      15, 4,
    ]);
    const steps = valueOf(metrics, `espalier_engine_lane_steps${lane}`);
    expect(values(`espalier_engine_step_seconds_count${lane}`, 'espalier_engine_steps')).toEqual([steps, steps]);
    expect(values(`espalier_engine_decode_rows_sum${lane}`, `espalier_engine_decode_rows_count${lane}`)).toEqual([
      11, 11,
    ]);
    const promptTokens = valueOf(metrics, `espalier_engine_lane_prompt_tokens${lane}`);
    expect(values(`espalier_engine_prefill_tokens_sum${lane}`)).toEqual([promptTokens]);
    expect(valueOf(metrics, 'espalier_engine_step_seconds_bucket{lane="factored",le="+Inf"}')).toBe(steps);
    expect(values('espalier_engine_step_seconds_count{lane="merged"}')).toEqual([0]);
  },
  WITHIN_MS,
);

test(
  'the first token is waited for from when the request arrives, before its body has',
  async () => {
    const series = [
      'time_to_first_token_seconds_sum{lane="factored"}',
      'time_to_first_output_seconds_sum{endpoint="completions"}',
    ];
    const seconds = async (): Promise<number[]> => {
      const metrics = await scrape();
      return series.map((each) => valueOf(metrics, `espalier_${each}`) ?? 0);
    };
    const before = await seconds();
    const body = JSON.stringify({ model: 'story', prompt: 'The', max_tokens: 1 });
    const connection = new RawConnection(tree.service.url);
    const startMs = performance.now();
    connection.send(
      `POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n` +
        `authorization: Bearer ${tree.service.keys.infer}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    await sleep(700);
    connection.send(body);
    await connection.closed;
    const tookSeconds = (performance.now() - startMs) / 1000;
    expect(connection.received).toMatch(/^HTTP\/1.1 200 /);
    const [token = 0, output = 0] = (await seconds()).map((after, i) => after - (before[i] ?? 0));
    expect(token).toBeGreaterThan(0.65);
    expect(token).toBeLessThan(tookSeconds);
    expect(token - output).toBeGreaterThan(0.65);
    expect(output).toBeGreaterThan(0);
  },
  WITHIN_MS,
);

test(
  'the documentation lists every metric of ours, and no other',
  async () => {
    const names = [...(await scrape()).matchAll(/^# TYPE ((?:espalier_|vllm:)\S+)/gm)].map(([, name = '']) => name);
    const docs = await readFile(join(REPOSITORY, 'docs/operations.md'), 'utf8');
    const listed = [...docs.matchAll(/^\| `((?:espalier_|vllm:)[a-z_]+)/gm)].map(([, name = '']) => name);
    expect(names.length).toBeGreaterThan(40);
    expect(listed.sort()).toEqual(names.sort());
  },
  WITHIN_MS,
);
