/** `espalier …` against the real service: models, nodes, revisions, and what is drawn of them. */
import { jest } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cli } from './support/cli.js';
import { BASE, startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Each command is a process of its own, and machines that run tests are slow.
jest.setTimeout(300_000);

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
  });

  it('draws all trees, and says when there is more than it draws', async () => {
    const all = await print('tree');
    expect(all).toMatch(/^again\n/);
    expect(all).toMatch(/^story\n├── french +@1 .*\n│ {3}└── verne +@1 .*\n└── german /m);
    const some = await cli.run(['tree', 'story', '--most', '2']);
    expect(some.stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(some.stderr).toMatch(/more than 2 nodes/);
  });
});

describe('what is served', () => {
  it('is named by aliases, recalled, put back, repinned, and told', async () => {
    await print(
      'push',
      '0',
      'story/served',
      '--metric',
      'loss=1.5',
      '--tag',
      'first',
      '--author',
      'Anna',
      '--message',
      'one',
    );
    await print('push', '1', 'story/served/child', '--trained-on', '1');
    await print('push', '2', 'story/served', '--tag', 'second');
    expect(await print('alias', 'set', 'story/served', 'production', '1', '--protected')).toBe(
      'story/served@production is @1, protected.\n',
    );
    expect(await print('alias', 'set', 'story/served', 'production', '1')).toMatch(/already/);
    expect(await print('alias', 'list', 'story/served')).toMatch(/^production +@1 .* protected/);
    expect(await print('tree', 'story/served')).toMatch(/production=@1/);
    expect(await json('resolve', 'story/served@production')).toMatchObject({ steps: [{ revision: { number: 1 } }] });
    expect(await print('promote', 'story/served', '2')).toBe('story/served serves @2.\n');
    expect(await print('stale', 'story/served')).toMatch(/^story\/served\/child@1 +on @1 +its parent serves @2/);
    expect(await print('stale', 'story/german')).toBe('Nothing is stale.\n');
    expect(await print('history', 'story/served')).toMatch(/@1 → @2 +promote +admin\n.*nothing → @1 +first/);

    const recalled = await print('recall', 'story/served', '1', '--reason', 'wrong data');
    expect(recalled).toMatch(/^story\/served@1 is recalled; @2 stands in for it\.\nproduction names @2 now\.\n/);
    expect(recalled).toMatch(/story\/served\/child@1 +head +is served on @2/);
    expect(await print('revisions', 'story/served')).toMatch(/^@1 .*recalled, @2 instead/m);
    expect(await print('resolve', 'story/served/child')).toMatch(/stands in/);
    expect(await print('unrecall', 'story/served', '1')).toBe('story/served@1 is in service.\n');
    expect(await print('repin', 'story/served/child')).toMatch(
      /^story\/served\/child@2, the adapter of @1, on @2 .* the head/,
    );
    expect(await print('stale', 'story/served')).toBe('Nothing is stale.\n');
    expect(await print('alias', 'delete', 'story/served', 'production')).toMatch(/^Deleted production/);
    expect(await cli.run(['alias', 'delete', 'story/served', 'production'])).toMatchObject({ code: 5 });
  });

  it('is shown by itself and side by side', async () => {
    await writeFile(join(tree.folder, 'card.md'), '# A card\n\nWith text.\n');
    await print(
      'push',
      '0',
      'story/shown',
      '--card',
      'card.md',
      '--metric',
      'loss=1.5',
      '--author',
      'Anna',
      '--tag',
      'a',
    );
    await print('push', '1', 'story/shown', '--metric', 'loss=1.25');
    expect(await print('show', 'story/shown')).toMatch(/Anna[\s\S]*loss 1\.5[\s\S]*# A card\n\nWith text\.\n$/);
    expect(await print('tag', 'story/shown@2', 'b', 'c')).toBe('story/shown@2 has b, c.\n');
    expect(await print('tag', 'story/shown@2', '--remove', 'b')).toBe('story/shown@2 has c.\n');
    const compared = await print('compare', 'story/shown', 'story/shown@2');
    expect(compared).toMatch(/story\/shown@1 +story\/shown@2\n/);
    expect(compared).toMatch(/^loss +1\.5 +1\.25$/m);
    expect(compared).toMatch(/^model\.layers\.0\.self_attn\.q_proj +2 /m);
    expect(await json('compare', 'story/shown', 'story/shown')).toMatchObject({ total: { relativeDifference: 0 } });
    const digest = (await json<{ digest: string }>('show', 'story/shown@2')).digest;
    expect(await cli.run(['push', '0', 'story/shown', '--digest', digest])).toMatchObject({ code: 1 });
    expect(await print('push', '1', 'story/shown', '--digest', digest)).toMatch(/has it already/);
    await print('nodes', 'tag', 'story/shown', 'found');
    expect(await print('search', '--metric', 'loss:1..2', '--under', 'story/shown')).toMatch(
      /^story\/shown +@1 +found +loss 1\.5 /,
    );
    expect(await print('search', 'sho', '--tag', 'found')).toMatch(/^story\/shown /);
    expect(await print('search', 'sho', '--tag', 'lost')).toBe('Nothing is like that.\n');
    expect(await json<object[]>('search', '--stale', '--under', 'story/shown')).toEqual([]);
    expect(await cli.run(['search', '--metric', 'loss'])).toMatchObject({ code: 1 });
    expect(await print('lineage', 'story/shown', '--format', 'dot')).toMatch(/^digraph/);
    expect(await print('lineage', 'story/shown', '--format', 'gexf')).toMatch(/<gexf/);
    expect(JSON.parse(await print('lineage', 'story/shown'))).toMatchObject({ node: 'story/shown' });
  });
});

describe('nodes', () => {
  it('are described, tagged, moved with a redirect, put away, deleted and brought back', async () => {
    await print('nodes', 'create', 'story/there', '--description', 'for tests', '--tag', 'x', '--policy', 'follow');
    expect(await print('nodes', 'show', 'story/there')).toMatch(/for tests[\s\S]*x[\s\S]*follows/);
    await print('nodes', 'describe', 'story/there', 'for more tests');
    expect(await print('nodes', 'tag', 'story/there', 'y', '--remove', 'x')).toBe('story/there has y.\n');
    const { version } = await json<{ version: number }>('nodes', 'show', 'story/there');
    expect(await cli.run(['nodes', 'tag', 'story/there', 'z', '--if-version', '1'])).toMatchObject({ code: 6 });
    await print('nodes', 'move', 'story/there', 'story/here', '--if-version', String(version));
    expect(await print('redirects', 'list')).toMatch(/^story\/there +→ story\/here/m);
    expect(await json('resolve', 'story/there')).toMatchObject({ path: 'story/here' });
    expect(await print('redirects', 'drop', 'story/there')).toBe('Dropped story/there.\n');
    expect(await cli.run(['redirects', 'drop', 'story/there'])).toMatchObject({ code: 5 });

    await print('nodes', 'archive', 'story/here');
    expect(await print('tree', 'story')).not.toContain('here');
    expect(await print('tree', 'story', '--archived')).toMatch(/here .*archived/);
    await print('nodes', 'restore', 'story/here');
    const { id } = await json<{ id: string }>('nodes', 'delete', 'story/here');
    expect(await cli.run(['nodes', 'show', 'story/here'])).toMatchObject({ code: 5 });
    expect(await print('nodes', 'undelete', id)).toBe('story/here is back.\n');
  });

  it('leave bytes that are collected, and a trace of all that was done', async () => {
    await print('push', '2', 'story/garbage');
    await print('nodes', 'delete', 'story/garbage');
    expect(await json('gc', '--dry-run', '--grace', '0s')).toMatchObject({ dryRun: true, revisions: { purged: 1 } });
    expect(await print('gc', '--grace', '0s')).toMatch(/^Removed:\n +revisions +1\n/);
    expect(await json('gc', '--grace', '0s')).toMatchObject({ revisions: { purged: 0 } });
    expect(await print('audit', '--action', 'gc.', '--most', '1')).toMatch(/^#\d+ .* admin +gc\.run/);
    expect(await json('audit', '--by', 'nobody')).toEqual([]);
    const exported = (await print('audit', '--export', '--since', '1h')).trimEnd().split('\n');
    const sequences = exported.map((line) => (JSON.parse(line) as { sequence: number }).sequence);
    expect(sequences.length).toBeGreaterThan(10);
    expect(sequences).toEqual(sequences.map((_, i) => sequences[0]! + i));
  });
});
