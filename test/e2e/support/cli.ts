/** `espalier …` from the build, as somebody on the machine of a service would run it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { REPOSITORY } from './service.js';
import type { SmallTree } from './small-tree.js';

export const MAIN = join(REPOSITORY, 'dist/cli/main.js');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  stdin?: string;
  cwd?: string;
}

/** Finds the service by its URL, and the keys in its data folder. */
export class Cli {
  readonly #tree: SmallTree;

  constructor(tree: SmallTree) {
    this.#tree = tree;
  }

  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      // Nothing of whoever runs the tests.
      XDG_CONFIG_HOME: join(this.#tree.folder, 'no configuration'),
      ESPALIER_URL: this.#tree.service.url,
      ESPALIER_DATA: this.#tree.service.dataFolder,
    };
  }

  start(args: readonly string[], { env, cwd = this.#tree.folder }: RunOptions = {}): ChildProcess {
    return spawn(process.execPath, [MAIN, ...args], { cwd, env: { ...this.env, ...env } });
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return ended(this.start(args, options), options.stdin);
  }

  /** What a command prints; it must succeed. */
  async print(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`espalier ${args.join(' ')} ended with ${String(code)}: ${stderr}`);
    return stdout;
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.print(...args, '--json')) as T;
  }
}

export async function ended(child: ChildProcess, stdin = ''): Promise<Ended> {
  const result: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (result.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (result.stderr += text));
  child.stdin?.end(stdin);
  [result.code] = (await once(child, 'close')) as [number | null];
  return result;
}
