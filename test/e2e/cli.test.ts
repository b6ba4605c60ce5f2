/** `espalier …` against the real service: every command, its JSON, and its exit codes. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { REPOSITORY } from './support/service.js';
import { BASE, startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree();
}, 130_000);
afterAll(() => tree.service.remove());

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Finds the service by its URL, and the keys in its data folder, as somebody on the same machine would. */
function start(args: string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [join(REPOSITORY, 'dist/cli/main.js'), ...args], {
    cwd: tree.folder,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      ESPALIER_URL: tree.service.url,
      ESPALIER_DATA: tree.service.dataFolder,
      ...env,
    },
  });
}

async function cli(args: string[], options: { env?: Record<string, string>; stdin?: string } = {}): Promise<Ended> {
  const child = start(args, options.env);
  const ended: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  child.stdin?.end(options.stdin ?? '');
  [ended.code] = (await once(child, 'close')) as [number | null];
  return ended;
}

/** What a command prints; it must succeed. */
async function print(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('error') as string });
  return stdout;
}

const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await print(...args, '--json')) as T;

describe('the registry from the command line', () => {
  it('imports a model, pushes revisions, promotes, rolls back, moves and draws the tree', async () => {
    expect(await print('models', 'import', BASE, '--name', 'again')).toMatch(/^Imported again {2}llama/);
    expect(await print('models', 'import', BASE, '--name', 'again')).toMatch(/imported already/);
    expect(await print('models', 'list')).toMatch(/^again .*\nstory /);
    expect(await json('models', 'get', 'again')).toMatchObject({ name: 'again', modelType: 'llama' });

    expect(await print('push', '0', 'again/french', '--message', 'the first')).toMatch(
      /^again\/french@1 {2}rank 2, .*, the head\.\n$/,
    );
    expect(await print('push', '0', 'again/french')).toMatch(/the node has it already/);
    expect(await print('push', join(tree.folder, '2'), 'again/french')).toMatch(/Promote it/);
    expect(await print('push', '1', 'again/french/verne', '--trained-on', '1')).toMatch(/^again\/french\/verne@1 /);
    expect(await print('revisions', 'again/french')).toMatch(/^@\d .*\n@\d /);
    expect(await json('revisions', 'again/french')).toHaveLength(2);

    expect(await print('promote', 'again/french', '2')).toBe('again/french serves @2.\n');
    expect(await print('tree', 'again')).toBe(
      ['again', '└── french     @2 of 2  rank 2', '    └── verne  @1       rank 2  stale', ''].join('\n'),
    );
    const resolution = await print('resolve', 'again/french:0.5/verne');
    expect(resolution).toMatch(/^again\/french:0\.5\/verne {2}[0-9a-f]{64}\n/);
    expect(resolution).toMatch(/again\/french +×0\.5 +@1 /);
    expect(resolution).toMatch(/2 adapters, rank 4/);
    expect(await print('nodes', 'policy', 'again/french/verne', 'follow')).toMatch(/follows the head/);
    expect(await json<{ steps: object[] }>('resolve', 'again/french/verne')).toMatchObject({
      steps: [{ revision: { number: 2 }, reason: 'follow' }, { revision: { number: 1 } }],
    });
    expect(await print('rollback', 'again/french')).toBe('again/french serves @1 again.\n');

    expect(await print('nodes', 'add', 'again/quiet')).toBe('Added again/quiet.\n');
    expect(await print('nodes', 'move', 'again/quiet', 'again/calm')).toBe('again/quiet is again/calm now.\n');
    expect(await print('nodes', 'disable', 'again/calm')).toMatch(/disabled/);
    expect(await print('tree', 'again')).toMatch(/├── calm +empty +disabled\n/);
    expect(await print('nodes', 'enable', 'again/calm')).toMatch(/enabled/);
    expect(await print('push', '--server-folder', join(tree.folder, '2'), 'again/calm')).toMatch(/^again\/calm@1 /);
  }, 120_000);

  it('draws all trees, and says when there is more than it draws', async () => {
    const all = await print('tree');
    expect(all).toMatch(/^again\n/);
    expect(all).toMatch(/^story\n├── french +@1 .*\n│ {3}└── verne +@1 .*\n└── german /m);
    const some = await cli(['tree', 'story', '--most', '2']);
    expect(some.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(some.stderr).toMatch(/more than 2 nodes/);
  }, 120_000);
});

describe('text from the command line', () => {
  it('streams, and gives the same text for the same seed', async () => {
    const args = ['run', 'story/french', 'Le capitaine', '--max-tokens', '12', '--seed', '7'];
    const text = await print(...args);
    expect(text.trim()).not.toBe('');
    expect(await print(...args)).toBe(text);
    const answer = await json<{ choices: { text: string }[]; usage: object }>(...args);
    expect(answer.choices[0]!.text).toBe(text.slice(0, -1));
    expect(answer.usage).toMatchObject({ completion_tokens: 12 });
    const piped = await cli([...args.slice(0, 2), '-', ...args.slice(3)], { stdin: 'Le capitaine' });
    expect(piped.stdout).toBe(text);
  }, 120_000);

  it('ends at Ctrl-C, and takes the row out of the engine', async () => {
    const child = start(['run', 'story/french', 'Le capitaine', '--max-tokens', '400', '--temperature', '1']);
    await once(child.stdout!, 'data');
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    expect(code).toBe(130);
    // The test's own limit ends this if the row never leaves.
    for (;;) {
      const { body } = await tree.service.call<string>('/metrics');
      if (/^espalier_engine_rows_running 0$/m.test(body)) break;
      await sleep(100);
    }
  }, 120_000);

  it('scores a text under several paths, the likeliest first', async () => {
    const text = 'Le capitaine regardait la mer.';
    const { data } = await json<{ data: { model: string; perplexity: number; tokens: number }[] }>(
      ...['score', 'story', 'story/french', 'story/french/verne', '--text', text],
    );
    expect(data.map(({ model }) => model)).toEqual(['story', 'story/french', 'story/french/verne']);
    expect(data.every(({ tokens }) => tokens > 0)).toBe(true);
    const drawn = await cli(['score', 'story', 'story/french', '--file', '-'], { stdin: text });
    const perplexities = drawn.stdout
      .trimEnd()
      .split('\n')
      .slice(1)
      .map((row) => Number(row.split(/ +/)[1]));
    expect(perplexities).toEqual([...perplexities].sort((a, b) => a - b));
    expect(perplexities).toHaveLength(2);
  }, 120_000);
});

describe('what goes wrong', () => {
  it('is told in one line, with the exit code that is documented for it', async () => {
    const missing = await cli(['resolve', 'story/frnch']);
    expect(missing).toMatchObject({ code: 5, stdout: '' });
    expect(missing.stderr).toMatch(/^error No node has the path "story\/frnch"\. Did you mean "story\/french"\?\n$/);
    expect(await cli(['promote', 'story/french', '9'])).toMatchObject({ code: 5 });
    expect(await cli(['run', 'story/nobody', 'text'])).toMatchObject({ code: 5 });
    expect(await cli(['resolve', 'story/french:7'])).toMatchObject({ code: 1 });
    expect(await cli(['nodes', 'move', 'story/french', 'story/french/verne/below'])).toMatchObject({ code: 1 });
    expect(await cli(['nodes', 'add', 'story/other', '--key', tree.service.keys.infer])).toMatchObject({ code: 4 });
    expect(await cli(['tree'], { env: { ESPALIER_DATA: '/nowhere' } })).toMatchObject({ code: 4 });
    expect(await cli(['tree', '--url', 'http://127.0.0.1:9'])).toMatchObject({ code: 3 });
    expect(await cli(['push', '9', 'story/other'])).toMatchObject({ code: 2 });
    const asJson = await cli(['resolve', 'story/frnch', '--json']);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: 'path_not_found', status: 404 } });
  }, 120_000);

  it('keeps a second service off the data of the first', async () => {
    const second = await cli(['serve', '--port', '0', '--data', tree.service.dataFolder]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(String(tree.service.pid));
  }, 120_000);
});
