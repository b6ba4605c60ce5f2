import { describe, expect, it } from '@jest/globals';
import { drawResolution } from '../../../src/cli/resolution-drawing.js';
import { columns, wantsColour, type Terminal } from '../../../src/cli/terminal.js';
import { drawTree } from '../../../src/cli/tree-drawing.js';
import type { NodeDto } from '../../../src/registry/dto/node.dto.js';

const plain: Terminal['paint'] = (_tone, text) => text;

function node(path: string, facts: Partial<NodeDto> = {}): NodeDto {
  const names = path.split('/');
  return {
    id: path,
    path,
    name: names.at(-1)!,
    model: names[0]!,
    parent: names.length === 1 ? null : names.slice(0, -1).join('/'),
    description: '',
    tags: [],
    policy: 'pinned',
    disabled: false,
    pinned: false,
    archived: false,
    detached: false,
    stale: false,
    head: names.length === 1 ? null : { id: 'r', number: 1, digest: 'd', rank: 8 },
    aliases: [],
    revisions: 1,
    children: 0,
    version: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...facts,
  };
}

describe('the drawing of a tree', () => {
  it('has branches, heads and marks, in whatever order the nodes come', () => {
    const nodes = [
      node('m/b/x', { stale: true }),
      node('m/b/x/deep', { policy: 'follow', detached: true }),
      node('m/a', { head: { id: 'r', number: 3, digest: 'd', rank: 16 }, revisions: 4 }),
      node('m'),
      node('m/b', { head: null, revisions: 0, disabled: true }),
      node('m/b/y'),
    ];
    expect(drawTree(nodes, plain)).toBe(
      [
        'm',
        '├── a             @3 of 4  rank 16',
        '└── b             empty             disabled',
        '    ├── x         @1       rank 8   stale',
        '    │   └── deep  @1       rank 8   detached, follows its parent',
        '    └── y         @1       rank 8',
      ].join('\n'),
    );
  });

  it('starts at a node whose parent is not there, with its whole path', () => {
    expect(drawTree([node('m/b'), node('m/b/x')], plain)).toBe('m/b    @1  rank 8\n└── x  @1  rank 8');
    expect(drawTree([], plain)).toBe('');
  });
});

it('draws what a path means', () => {
  const step = {
    node: { id: 'n', path: 'm/a' },
    weight: 0.5,
    revision: { id: 'r', number: 2, digest: 'abcdef0123456789', rank: 8, bytes: 1_500_000 },
    reason: 'head' as const,
    explanation: "revision 2 is the node's head.",
    stale: false,
    offPin: false,
    recalled: null,
  };
  const empty = { ...step, node: { id: 'e', path: 'm/a/b' }, revision: null, reason: 'empty' as const };
  const drawn = drawResolution(
    {
      path: 'm/a:0.5/b:0.5',
      redirectedFrom: null,
      digest: 'd'.repeat(64),
      model: { id: 'm', name: 'm', digest: 'e'.repeat(64) },
      steps: [step, { ...empty, explanation: 'the node contributes no revision.' }],
      totals: { adapters: 1, rank: 8, bytes: 1_500_000 },
    },
    plain,
  );
  expect(drawn.split('\n')).toEqual([
    `m/a:0.5/b:0.5  ${'d'.repeat(64)}`,
    'm                                eeeeeeeeeeee  the base model',
    "m/a    ×0.5  @2  rank 8  1.5 MB  abcdef012345  revision 2 is the node's head.",
    'm/a/b  ×0.5  -                                 the node contributes no revision.',
    '1 adapter, rank 8, 1.5 MB',
  ]);
});

it('aligns columns by what is seen', () => {
  expect(
    columns([
      ['\u001b[1ma\u001b[22m', 'x'],
      ['bbb', 'y'],
    ]),
  ).toBe('\u001b[1ma\u001b[22m    x\nbbb  y');
});

it('colours only a terminal that wants it', () => {
  expect(wantsColour({}, true)).toBe(true);
  expect(wantsColour({}, false)).toBe(false);
  expect(wantsColour({ NO_COLOR: '1' }, true)).toBe(false);
  expect(wantsColour({ NO_COLOR: '' }, true)).toBe(true);
  expect(wantsColour({ TERM: 'dumb' }, true)).toBe(false);
  expect(wantsColour({ FORCE_COLOR: '1' }, false)).toBe(true);
  expect(wantsColour({ FORCE_COLOR: '1', NO_COLOR: '1' }, true)).toBe(false);
});
