/** `espalier keys` against the real service. */
import { jest } from '@jest/globals';
import { Cli } from './support/cli.js';
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

it('makes a key that is printed alone, bound, limited, changed, replaced and revoked', async () => {
  const made = await cli.run([
    'keys',
    'create',
    'ci',
    '--scope',
    'infer',
    '--scope',
    'read',
    '--subtree',
    'story/french',
    '--expires',
    '90d',
  ]);
  const key = made.stdout.trim();
  expect(made.code).toBe(0);
  expect(key).toMatch(/^esp_[0-9a-f]{12}_/);
  expect(made.stderr).toContain('ci');
  expect(await cli.print('tree', '--key', key)).toMatch(/^story\/french .*\n└── verne .*\n$/);
  expect(await cli.run(['nodes', 'create', 'story/french/new', '--key', key])).toMatchObject({ code: 4 });

  const listed = await cli.print('keys', 'list');
  expect(listed).toMatch(new RegExp(`^ci +${key.slice(0, 16)}… +infer read +story/french +\\d{4}-`, 'm'));
  expect(listed).not.toContain(key);

  await cli.print('keys', 'update', 'ci', '--requests-per-minute', '60', '--expires', 'never', '--scope', 'read');
  expect(await cli.json('keys', 'list')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'ci', requestsPerMinute: 60, expiresAt: null, scopes: ['read'] }),
    ]),
  );
  expect(await cli.run(['keys', 'update', 'ci', '--name', 'x', '--if-version', '4711'])).toMatchObject({ code: 6 });

  const next = (await cli.print('keys', 'rotate', key.slice(0, 16))).trim();
  expect(await cli.run(['tree', '--key', key])).toMatchObject({ code: 4 });
  expect(await cli.run(['tree', '--key', next])).toMatchObject({ code: 0 });
  expect(await cli.print('keys', 'revoke', 'ci')).toMatch(/^Revoked ci /);
  expect(await cli.run(['tree', '--key', next])).toMatchObject({ code: 4 });
  expect(await cli.print('keys', 'list')).not.toContain('ci ');
  expect(await cli.print('keys', 'list', '--revoked')).toMatch(/^ci .*revoked/m);
  expect(await cli.run(['keys', 'revoke', 'ci'])).toMatchObject({ code: 5 });
});

it('takes no scope that there is not, and asks which of two keys is meant', async () => {
  expect(await cli.run(['keys', 'create', 'x'])).toMatchObject({ code: 2 });
  expect(await cli.run(['keys', 'create', 'x', '--scope', 'everything'])).toMatchObject({ code: 2 });
  expect(await cli.run(['keys', 'create', 'x', '--scope', 'read', '--expires', 'soon'])).toMatchObject({ code: 2 });
  for (let i = 0; i < 2; i++) await cli.print('keys', 'create', 'twin', '--scope', 'read');
  expect(await cli.run(['keys', 'revoke', 'twin'])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/esp_.*esp_/) as string,
  });
});
