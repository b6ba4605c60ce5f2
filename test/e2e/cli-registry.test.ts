/** `espalier …` against the real service: models, nodes, revisions, and what is drawn of them. */
import { join } from 'node:path';
import { Cli } from './support/cli.js';
import { BASE, startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
let cli: Cli;
const print = (...args: string[]): Promise<string> => cli.print(...args);
const json = <T>(...args: string[]): Promise<T> => cli.json<T>(...args);
beforeAll(async () => {
  tree = await startWithSmallTree();
  cli = new Cli(tree);
}, 130_000);
afterAll(() => tree.service.remove());

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

    expect(await print('nodes', 'create', 'again/quiet')).toBe('Created again/quiet.\n');
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
    const some = await cli.run(['tree', 'story', '--most', '2']);
    expect(some.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(some.stderr).toMatch(/more than 2 nodes/);
  }, 120_000);
});
