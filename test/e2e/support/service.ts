/**
 * The built service (dist/main.js) as a child process, with a data folder and a database of its own.
 *
 *     const service = await TestService.start();            // an empty registry
 *     const service = await TestService.start({ demo: true });
 *     afterAll(() => service.remove());
 *
 * The data folder's name holds a space, always. With ESPALIER_TEST_DATABASE_URL every service gets a fresh database on
 * that PostgreSQL server, else the embedded one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AnswerCheck, type OpenApiDocument } from './openapi.js';
import { createDatabase, type TestDatabase } from './postgres.js';

export const REPOSITORY = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

/** Far beyond what a start takes; a test that waits for so long has failed. */
const START_LIMIT_MS = 120_000;

export interface ServiceOptions {
  /** Imports the demo tree. */
  demo?: boolean;
  env?: Record<string, string>;
  /** Those of another instance on the same database, which has made them. */
  keys?: Keys;
}

export interface Keys {
  admin: string;
  infer: string;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface CallOptions {
  method?: string;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: RequestInit['body'];
  headers?: Record<string, string>;
  /** Default: the admin key. Null sends none. */
  key?: string | null;
  signal?: AbortSignal;
  /** The answer isn't held against /openapi.json: for requests that are no HTTP of ours, deliberately. */
  undescribed?: boolean;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The description is the same for all services of one build, so one is enough. */
let description: Promise<AnswerCheck> | null = null;

function described(url: string): Promise<AnswerCheck> {
  description ??= fetch(`${url}/openapi.json`)
    .then(async (response) => new AnswerCheck((await response.json()) as OpenApiDocument))
    .catch((error: unknown) => {
      // A service that was about to end: the next one is asked again.
      description = null;
      throw error;
    });
  return description;
}

function methodOf({ method, json, body }: CallOptions): string {
  return method ?? (json === undefined && body === undefined ? 'GET' : 'POST');
}

export class TestService {
  readonly dataFolder: string;
  /** Changes with a restart. */
  url = '';
  keys: Keys = { admin: '', infer: '' };
  /** stdout: what people read. */
  output = '';
  /** stderr: lines of JSON. */
  logs = '';
  readonly #options: ServiceOptions;
  readonly #database: TestDatabase | null;
  #child: ChildProcess | null = null;
  #exit: Promise<Exit> | null = null;

  private constructor(options: ServiceOptions, dataFolder: string, database: TestDatabase | null) {
    this.#options = options;
    this.dataFolder = dataFolder;
    this.#database = database;
  }

  /** Starts a new service and resolves when it serves. */
  static async start(options: ServiceOptions = {}): Promise<TestService> {
    const service = await TestService.prepare(options);
    try {
      await service.launch();
    } catch (error) {
      await service.remove();
      throw error;
    }
    return service;
  }

  /** Folder and database, without the service. */
  static async prepare(options: ServiceOptions = {}): Promise<TestService> {
    const dataFolder = await mkdtemp(join(tmpdir(), 'espalier test '));
    return new TestService(options, dataFolder, await createDatabase());
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the service does not run');
    return pid;
  }

  /** What the child is started with; for starting another one on the same data. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ESPALIER_DATA: this.dataFolder,
      ESPALIER_PORT: '0',
      ESPALIER_DEMO: this.#options.demo ? '1' : '0',
      ESPALIER_THREADS: '1',
      ...(this.#database ? { DATABASE_URL: this.#database.url } : {}),
      // As under npm: the service ends when the process that started it, this one, is gone.
      npm_lifecycle_event: 'test',
      ...this.#options.env,
    };
  }

  /** Starts the process again on the same data, after `stop` or `kill9`. */
  async launch(): Promise<void> {
    this.output = '';
    this.logs = '';
    const child = spawn(process.execPath, [join(REPOSITORY, 'dist/main.js')], {
      cwd: REPOSITORY,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#exit = once(child, 'close').then((end: unknown[]) => {
      const [code, signal] = end as [Exit['code'], Exit['signal']];
      return { code, signal };
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.logs += text));
    this.url = await this.#serving(child);
    await described(this.url);
    this.keys = this.#options.keys ?? { admin: await this.#key('admin'), infer: await this.#key('infer') };
  }

  /**
   * Sends a request and reads the whole answer: JSON if it is that, else text. Throws where the answer isn't what the
   * service's description of itself says.
   */
  async call<T = Record<string, unknown>>(path: string, options: CallOptions = {}): Promise<Answer<T>> {
    const response = await this.fetch(path, options);
    const text = await response.text();
    const contentType = response.headers.get('content-type');
    const body: unknown = contentType?.includes('json') === true ? JSON.parse(text) : text;
    if (options.undescribed !== true) {
      const method = methodOf(options);
      const problem = (await described(this.url)).problem({ method, path, status: response.status, contentType, body });
      if (problem !== null) throw new Error(`The answer isn't as /openapi.json has it: ${problem}\n${text}`);
    }
    return { status: response.status, headers: response.headers, body: body as T };
  }

  /** Sends a request; the caller reads the answer, a stream for example. */
  fetch(path: string, options: CallOptions = {}): Promise<Response> {
    const { json, key = this.keys.admin, signal } = options;
    return fetch(this.url + path, {
      method: methodOf(options),
      body: json === undefined ? options.body : JSON.stringify(json),
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      signal,
    });
  }

  /** Signals the service and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    if (!this.#child || !this.#exit) return { code: null, signal: null };
    this.#child.kill(signal);
    const exit = await this.#exit;
    this.#child = null;
    return exit;
  }

  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the process has ended and its pipes are closed, so that no descendant holds them either. */
  async ended(): Promise<Exit> {
    if (!this.#exit) throw new Error('the service was not started');
    return this.#exit;
  }

  /** As a crash or the out-of-memory killer would. */
  kill9(): Promise<Exit> {
    return this.stop('SIGKILL');
  }

  /** Ends the service if it runs, and takes its data away. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataFolder, { recursive: true, force: true });
    await this.#database?.drop();
  }

  #serving(child: ChildProcess): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(limit);
        reject(new Error(`${why}\n${this.output}\n${this.logs}`));
      };
      const limit = setTimeout(() => {
        child.kill('SIGKILL');
        fail('the service did not start in time');
      }, START_LIMIT_MS);
      child.once('error', (error) => fail(`the service could not be started: ${error.message}`));
      void this.#exit?.then(({ code }) => fail(`the service ended with ${String(code)} instead of serving`));
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        const url = /serves on (http:\S+)/.exec(this.output)?.[1];
        if (url === undefined) return;
        clearTimeout(limit);
        resolve(url);
      });
    });
  }

  async #key(name: keyof Keys): Promise<string> {
    return (await readFile(join(this.dataFolder, 'keys', `${name}.key`), 'utf8')).trim();
  }
}
