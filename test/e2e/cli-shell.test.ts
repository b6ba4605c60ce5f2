/** What `espalier` is as a program: exit codes, errors, configuration, completion, colour, progress. */
import { jest } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cli, ended, MAIN, type Ended } from './support/cli.js';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Each command is a process of its own, and machines that run tests are slow.
jest.setTimeout(300_000);

let tree: SmallTree;
let cli: Cli;
beforeAll(async () => {
  tree = await startWithSmallTree();
  cli = new Cli(tree);
}, 130_000);
afterAll(() => tree.service.remove());

const installed = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

describe('what goes wrong', () => {
  it('is told in one line, with the exit code that is documented for it', async () => {
    const missing = await cli.run(['resolve', 'story/frnch']);
    expect(missing).toMatchObject({ code: 5, stdout: '' });
    expect(missing.stderr).toMatch(/^error No node has the path "story\/frnch"\. Did you mean "story\/french"\?\n$/);
    const infer = tree.service.keys.infer;
    const codes: [number, string[]][] = [
      [5, ['promote', 'story/french', '9']],
      [5, ['run', 'story/nobody', 'text']],
      [1, ['resolve', 'story/french:7']],
      [1, ['nodes', 'move', 'story/french', 'story/french/verne/below']],
      [4, ['nodes', 'create', 'story/other', '--key', infer]],
      [4, ['tree', '--key', 'esp_000000000000_nonsense']],
      [3, ['tree', '--url', 'http://127.0.0.1:1', '--key', 'k']],
      [2, ['push', '9', 'story/other']],
      [2, ['push', '0']],
      [6, ['nodes', 'policy', 'story/german', 'follow', '--if-version', '4711']],
    ];
    for (const [code, args] of codes) expect({ args, code: (await cli.run(args)).code }).toEqual({ args, code });
    expect(await cli.run(['tree'], { env: { ESPALIER_DATA: '/nowhere' } })).toMatchObject({ code: 4 });
  });

  it('is one JSON value with --json, whatever it is', async () => {
    const error = async (args: string[], env: Record<string, string> = {}): Promise<unknown> => {
      const { stdout, stderr } = await cli.run([...args, '--json'], { env });
      expect(stdout).toBe('');
      return (JSON.parse(stderr) as { error: unknown }).error;
    };
    expect(await error(['resolve', 'story/frnch'])).toMatchObject({
      code: 'path_not_found',
      status: 404,
      details: { nearest: ['story/french'] },
    });
    expect(await error(['resolve'])).toMatchObject({ code: 'usage', status: null });
    expect(await error(['frobnicate'])).toMatchObject({ code: 'usage' });
    expect(await error(['nodes'])).toMatchObject({ code: 'usage' });
    expect(await error(['tree'], { ESPALIER_DATA: '/nowhere' })).toMatchObject({ code: 'no_key' });
    expect(await error(['tree', '--url', 'http://127.0.0.1:1', '--key', 'k'])).toMatchObject({ code: 'unreachable' });
  });

  it('keeps a second service off the data of the first', async () => {
    const second = await cli.run(['serve', '--port', '0', '--data', tree.service.dataFolder]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(String(tree.service.pid));
  });
});

it('serves, and tells programs where', async () => {
  const data = await mkdtemp(join(tree.folder, 'data '));
  const child = cli.start(['serve', '--json', '--port', '0', '--data', data], { env: { ESPALIER_DEMO: '0' } });
  const [line] = (await once(child.stdout!.setEncoding('utf8'), 'data')) as [string];
  const { url, keys } = JSON.parse(line) as { url: string; keys: { admin: string } };
  const key = (await readFile(keys.admin, 'utf8')).trim();
  expect(await cli.run(['tree', '--url', url, '--key', key])).toMatchObject({
    code: 0,
    stdout: expect.any(String) as string,
  });
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
});

describe('the configuration file', () => {
  it('is written for its owner alone, and says where things come from', async () => {
    const home = await mkdtemp(join(tree.folder, 'home '));
    const env = { XDG_CONFIG_HOME: home, ESPALIER_URL: '', ESPALIER_DATA: '/nowhere' };
    const { url, keys } = tree.service;
    const saved = await cli.run(['config', 'save', '--url', url, '--key', '-', '--profile', 'here'], {
      env,
      stdin: `${keys.admin}\n`,
    });
    expect(saved).toMatchObject({ code: 0, stderr: '' });
    const file = join(home, 'espalier', 'config.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ profiles: { here: { url, key: keys.admin } } });

    expect((await cli.run(['tree'], { env })).code).toBe(4);
    expect(await cli.run(['tree', '--profile', 'here'], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await cli.run(['tree'], { env: { ...env, ESPALIER_PROFILE: 'here' } })).toMatchObject({ code: 0 });
    const shown = await cli.run(['config', 'show', '--profile', 'here'], { env });
    expect(shown.stdout).toContain(`${keys.admin.slice(0, 16)}…`);
    expect(shown.stdout).not.toContain(keys.admin);

    await chmod(file, 0o644);
    const open = await cli.run(['tree', '--profile', 'here'], { env });
    expect(open).toMatchObject({ code: 0, stderr: expect.stringContaining('chmod 600') as string });
    expect((await cli.run(['tree', '--profile', 'here', '--quiet'], { env })).stderr).toBe('');
    await writeFile(file, '{"urls": 1}');
    expect(await cli.run(['tree'], { env })).toMatchObject({ code: 2 });
  });
});

describe('completion', () => {
  /** The line up to the cursor, as bash would hand it over. */
  const bash = (line: string): Promise<Ended> => {
    const script = `source <("$NODE" "$MAIN" completion bash)
      COMP_LINE="$LINE" COMP_POINT=\${#LINE} COMP_WORDS=($LINE) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _espalier; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...cli.env, NODE: process.execPath, MAIN, LINE: line };
    return ended(spawn('bash', ['-c', script], { env, cwd: tree.folder }));
  };

  (installed('bash') ? it : it.skip)('knows commands, options, and the paths of the service, in bash', async () => {
    expect((await bash('espalier tr')).stdout).toBe('tree\n');
    expect((await bash('espalier resolve story/fr')).stdout).toBe('story/french\nstory/french/verne\n');
    // Bash splits words at colons, and replaces what stands behind the last.
    expect((await bash('espalier resolve story/french:0.5/')).stdout).toBe('0.5/verne\n');
    expect((await bash('espalier push --tr')).stdout).toBe('--trained-on\n');
    expect((await bash('espalier push 0')).stdout).toBe('0\n');
    expect((await bash('espalier --key wrong resolve story/fr')).stdout).toBe('\n');
  });

  (installed('fish') ? it : it.skip)('works in fish', async () => {
    const script = '$NODE $MAIN completion fish | source; complete --do-complete "espalier resolve story/fr"';
    const env = { ...cli.env, NODE: process.execPath, MAIN, HOME: tree.folder };
    const { stdout } = await ended(spawn('fish', ['-c', script], { env }));
    expect(stdout).toBe('story/french\t@1, rank 2\nstory/french/verne\t@1, rank 2\n');
  });
});

describe('on a terminal', () => {
  /** util-linux's; others take other arguments. */
  const onTerminal = process.platform === 'linux' && installed('script') ? it : it.skip;
  const terminal = async (args: string, env: Record<string, string> = {}): Promise<string> => {
    const child = spawn('script', ['-qec', `stty cols 100; "${process.execPath}" "${MAIN}" ${args}`, '/dev/null'], {
      env: { ...cli.env, TERM: 'xterm', ...env },
      cwd: tree.folder,
    });
    return (await ended(child)).stdout;
  };

  onTerminal('colours what NO_COLOR leaves plain', async () => {
    expect(await terminal('tree')).toContain('\u001b[1mstory\u001b[22m');
    expect(await terminal('tree', { NO_COLOR: '1' })).not.toContain('\u001b');
  });

  onTerminal('shows how far an upload is, unless told to be quiet', async () => {
    expect(await terminal('push 0 story/progress')).toMatch(/Pushing story\/progress/);
    expect(await terminal('push 0 story/progress --quiet')).not.toMatch(/Pushing/);
    expect((await cli.run(['push', '0', 'story/progress'])).stderr).toBe('');
  });
});
