/** The built service as a process that is killed and started again on the same data. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from './operations.js';

const START_LIMIT_MS = 120_000;

export interface ServiceOptions {
  /** The built service's main.js. */
  main: string;
  dataFolder: string;
  /** What it may read adapters from. */
  importRoot: string;
  databaseUrl: string | null;
}

export interface Asked extends Call {
  requestId?: string;
  /** Files of a push, by field. */
  files?: Readonly<Record<string, Blob>>;
}

export class CrashingService {
  /** Of lines on stderr, the newest. */
  log = '';
  readonly #options: ServiceOptions;
  #child: ChildProcess | null = null;
  #url = '';
  #key = '';

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  get dataFolder(): string {
    return this.#options.dataFolder;
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const child = this.#spawn();
    this.#url = await serving(child);
    this.#key = (await readFile(join(this.dataFolder, 'keys/admin.key'), 'utf8')).trim();
  }

  /** Starts it, and kills it before it serves, or just then. */
  async startAndDie(afterMs: number): Promise<void> {
    this.#spawn();
    await sleep(afterMs);
    await this.kill();
  }

  /** As the out-of-memory killer would. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** Whether it runs, as far as is known. */
  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** `path` is below /api/v1. Rejects where no answer comes. */
  fetch({ method, path, json, form, files = {}, requestId }: Asked): Promise<Response> {
    return fetch(`${this.#url}/api/v1${path}`, {
      method,
      body: form ? formOf(form, files) : json && JSON.stringify(json),
      headers: {
        authorization: `Bearer ${this.#key}`,
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
      },
    });
  }

  /** The JSON of an answer that must be a success. */
  async get<T>(path: string): Promise<T> {
    return (await this.#answer({ method: 'GET', path }).then((answer) => answer.json())) as T;
  }

  async text(path: string): Promise<string> {
    return (await this.#answer({ method: 'GET', path })).text();
  }

  async post<T>(path: string, json: object): Promise<T> {
    return (await this.#answer({ method: 'POST', path, json }).then((answer) => answer.json())) as T;
  }

  async #answer(asked: Asked): Promise<Response> {
    const answer = await this.fetch(asked);
    if (!answer.ok) throw new Error(`${asked.path} answered ${answer.status}: ${await answer.text()}`);
    return answer;
  }

  #spawn(): ChildProcess {
    const { main, dataFolder, importRoot, databaseUrl } = this.#options;
    const child = spawn(process.execPath, [main], {
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: process.env['HOME'] ?? '',
        ESPALIER_DATA: dataFolder,
        ESPALIER_IMPORT_ROOTS: importRoot,
        ESPALIER_PORT: '0',
        ESPALIER_DEMO: '0',
        ESPALIER_THREADS: '1',
        ESPALIER_LOG_LEVEL: 'error',
        ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
        // As under npm: it ends when this process is gone.
        npm_lifecycle_event: 'crash',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.log = (this.log + text).slice(-20_000)));
    return child;
  }
}

function formOf(fields: Readonly<Record<string, string>>, files: Readonly<Record<string, Blob>>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  for (const [name, file] of Object.entries(files)) form.set(name, file, name);
  return form;
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
    child.once('close', () => fail('ended instead of serving'));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const url = /serves on (http:\S+)/.exec(output)?.[1];
      if (url === undefined) return;
      clearTimeout(limit);
      resolve(url);
    });
  });
}
