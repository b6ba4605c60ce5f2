/**
 * What HTTP adds: how late the event loop of the service's process is while 64 clients stream from sixteen paths of the
 * demo's base model, against the same process idle; tokens per second and time to the first token of those streams; and
 * what a short request takes beyond the engine's own time.
 *
 * The service is the built one, a process of its own, with 64 places in its batch. A probe is preloaded into it. The
 * clients are this process, on the same processors as service and engine. Idle and streaming take turns; medians of the
 * rounds.
 *
 * Flags: --rounds=3, --streams=64, --tokens=48, --requests=60, --idle=3000 (ms), --threads=0.
 */
import { createParser } from 'eventsource-parser';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readModelConfig } from '../src/formats/checkpoint/read-checkpoint.js';
import type { LoopReport } from './support/lag-probe.js';
import { flag, median, printTable, quantile } from './support/measure.js';
import { writeRandomTree } from './support/random-tree.js';
import { MeasuredService } from './support/service.js';
import { temporaryFolder } from './support/temporary-folder.js';

const ROUNDS = flag('rounds', 3);
const STREAMS = flag('streams', 64);
const TOKENS = flag('tokens', 48);
const REQUESTS = flag('requests', 60);
const IDLE_MS = flag('idle', 3000);
const BASE = fileURLToPath(new URL('../examples/storyteller/base', import.meta.url));
const PROMPT = 'It was a bright morning, and the old man went down to the harbour.';

interface StreamResult {
  firstTokenMs: number;
  tokens: number;
  /** Its last event came. */
  done: boolean;
}

interface Round {
  idle: LoopReport;
  busy: LoopReport;
  tokensPerSecond: number;
  oneStreamTokensPerSecond: number;
  firstTokenMs: number[];
  cpuMsPerToken: number;
}

const folder = await temporaryFolder();
const tree = await writeRandomTree(join(folder, 'adapters'), await readModelConfig(BASE), 8);
const leaves = tree.nodes.map(({ path }) => `story/${path}`).filter((path) => path.includes('leaf'));
const service = await MeasuredService.start(join(folder, 'data'), {
  ESPALIER_IMPORT_ROOTS: folder,
  ESPALIER_MAX_ROWS: String(STREAMS),
  // All requests have the same prompt, which is to be computed each time.
  ESPALIER_PREFIX_CACHE_MB: '0',
  ESPALIER_THREADS: String(flag('threads', 0)),
});
try {
  await service.text('/api/v1/models', { name: 'story', folder: BASE });
  for (const node of tree.nodes) {
    await service.text('/api/v1/revisions', { path: `story/${node.path}`, folder: node.folder });
  }
  await streams(leaves.length, 4);
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await round());
  print(rounds, await overhead());
} finally {
  await service.stop();
}

async function round(): Promise<Round> {
  await service.loop();
  await delay(IDLE_MS);
  const idle = await service.loop();
  const startMs = performance.now();
  const results = await streams(STREAMS, TOKENS);
  const seconds = (performance.now() - startMs) / 1000;
  const busy = await service.loop();
  const aloneMs = performance.now();
  const [alone] = await streams(1, TOKENS);
  const tokens = results.reduce((sum, result) => sum + result.tokens, 0);
  return {
    idle,
    busy,
    tokensPerSecond: tokens / seconds,
    oneStreamTokensPerSecond: (1000 * (alone?.tokens ?? 0)) / (performance.now() - aloneMs),
    firstTokenMs: results.map((result) => result.firstTokenMs),
    cpuMsPerToken: busy.cpuMs / tokens,
  };
}

function streams(count: number, tokens: number): Promise<StreamResult[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => stream(leaves[i % leaves.length] ?? '', tokens)));
}

async function stream(path: string, tokens: number): Promise<StreamResult> {
  const result: StreamResult = { firstTokenMs: 0, tokens: 0, done: false };
  const startMs = performance.now();
  const response = await service.fetch('/v1/completions', {
    ...completion(path, tokens),
    stream: true,
    stream_options: { include_usage: true },
  });
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
  const parser = createParser({
    onEvent: ({ data }) => {
      if (result.firstTokenMs === 0) result.firstTokenMs = performance.now() - startMs;
      if (data === '[DONE]') {
        result.done = true;
        return;
      }
      const { usage } = JSON.parse(data) as { usage?: { completion_tokens: number } | null };
      if (usage) result.tokens = usage.completion_tokens;
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(bytes, { stream: true }));
  }
  if (!result.done || result.tokens !== tokens)
    throw new Error(`A stream of ${path} ended after ${result.tokens} tokens.`);
  return result;
}

/** Milliseconds of short requests, one after the other: seen by the client, by the service's own clock, and the rest. */
async function overhead(): Promise<{ clientMs: number; engineMs: number; emptyMs: number }> {
  const [path = ''] = leaves;
  for (let i = 0; i < 10; i++) await service.text('/v1/completions', completion(path, 1));
  const before = await service.histogram('espalier_request_seconds', 'endpoint="completions"');
  const clientMs: number[] = [];
  const emptyMs: number[] = [];
  for (let i = 0; i < REQUESTS; i++) {
    clientMs.push(await timed(() => service.text('/v1/completions', completion(path, 1))));
    emptyMs.push(await timed(() => service.text('/health/live')));
  }
  const after = await service.histogram('espalier_request_seconds', 'endpoint="completions"');
  // Means, because the service's clock gives only sums.
  const mean = (samples: readonly number[]): number => samples.reduce((sum, each) => sum + each, 0) / samples.length;
  const engineMs = (1000 * (after.sum - before.sum)) / (after.count - before.count);
  return { clientMs: mean(clientMs), engineMs, emptyMs: mean(emptyMs) };
}

function completion(path: string, tokens: number): object {
  return { model: path, prompt: PROMPT, max_tokens: tokens, temperature: 0, ignore_eos: true };
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await action();
  return performance.now() - startMs;
}

function print(rounds: readonly Round[], request: { clientMs: number; engineMs: number; emptyMs: number }): void {
  const of = (value: (round: Round) => number): number => median(rounds.map(value));
  const lag = (report: (round: Round) => LoopReport): string =>
    `p50 ${of((each) => report(each).p50Ms).toFixed(2)} ms, p99 ${of((each) => report(each).p99Ms).toFixed(2)} ms, ` +
    `max ${of((each) => report(each).maxMs).toFixed(1)} ms; busy ${(100 * of((each) => report(each).utilization)).toFixed(0)}% of the time`;
  const first = Float64Array.from(rounds.flatMap(({ firstTokenMs }) => firstTokenMs));
  const [all, one] = [of((each) => each.tokensPerSecond), of((each) => each.oneStreamTokensPerSecond)];
  const beyond = request.clientMs - request.engineMs;
  printTable([
    ['event-loop lag, idle', lag(({ idle }) => idle)],
    [`event-loop lag, ${STREAMS} streams`, lag(({ busy }) => busy)],
    [
      `${STREAMS} streams of ${TOKENS} tokens, 16 paths`,
      `${all.toFixed(0)} tokens/s, ${(all / one).toFixed(1)}× of one stream (${one.toFixed(0)} tokens/s)`,
    ],
    [
      `first token of ${STREAMS} that begin at once`,
      `p50 ${quantile(first, 0.5).toFixed(0)} ms, p99 ${quantile(first, 0.99).toFixed(0)} ms`,
    ],
    ['processor time of the HTTP process', `${of((each) => each.cpuMsPerToken).toFixed(3)} ms a streamed token`],
    [
      'one request of one token',
      `${request.clientMs.toFixed(1)} ms, of them ${request.engineMs.toFixed(1)} in the engine: ${beyond.toFixed(1)} ms beyond it ` +
        `(GET /health/live alone: ${request.emptyMs.toFixed(1)} ms)`,
    ],
  ]);
}
