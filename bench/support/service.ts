/** The built service as a child process on a data folder of its own, with a probe of its event loop in it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoopReport } from './lag-probe.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const PROBE = new URL('./lag-probe.js', import.meta.url).href;
const START_LIMIT_MS = 300_000;

export class MeasuredService {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #key: string;

  private constructor(child: ChildProcess, url: string, key: string) {
    this.#child = child;
    this.url = url;
    this.#key = key;
  }

  static async start(dataFolder: string, env: Record<string, string>): Promise<MeasuredService> {
    const child = spawn(process.execPath, ['--import', PROBE, MAIN], {
      env: {
        ...process.env,
        ESPALIER_DATA: dataFolder,
        ESPALIER_PORT: '0',
        ESPALIER_DEMO: '0',
        ESPALIER_LOG_LEVEL: 'error',
        // As under npm: it ends when this process is gone.
        npm_lifecycle_event: 'bench',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const url = await serving(child);
    const key = (await readFile(join(dataFolder, 'keys/admin.key'), 'utf8')).trim();
    return new MeasuredService(child, url, key);
  }

  get pid(): number {
    // It runs: it has told its address.
    return this.#child.pid ?? 0;
  }

  /** Of all its threads, from its beginning; the engine is a process of its own. */
  processorMs(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    // Of proc(5), fields 14 and 15 from 1, in ticks of 10 ms; the two before the name are cut off.
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  fetch(path: string, json?: object): Promise<Response> {
    return fetch(this.url + path, {
      method: json === undefined ? 'GET' : 'POST',
      body: json === undefined ? undefined : JSON.stringify(json),
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      },
    });
  }

  /** The whole answer; one that is no success is an error. */
  async text(path: string, json?: object): Promise<string> {
    const response = await this.fetch(path, json);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text;
  }

  /** What the event loop did since the last report. */
  async loop(): Promise<LoopReport> {
    const answer = once(this.#child, 'message');
    this.#child.send('report');
    const [report] = (await answer) as [LoopReport];
    return report;
  }

  /** Sum and count of a histogram of /metrics. */
  async histogram(name: string, label: string): Promise<{ sum: number; count: number }> {
    const metrics = await this.text('/metrics');
    const value = (suffix: string): number => {
      const line = metrics.split('\n').find((each) => each.startsWith(`${name}_${suffix}{${label}}`));
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    return { sum: value('sum'), count: value('count') };
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}

function serving(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string): void => {
      clearTimeout(limit);
      child.kill('SIGKILL');
      reject(new Error(`The service ${why}. ${output}`));
    };
    const limit = setTimeout(() => fail('did not start in time'), START_LIMIT_MS);
    child.once('exit', () => fail('ended instead of serving'));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const url = /serves on (http:\S+)/.exec(output)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
  });
}
