import { beforeEach, describe, expect, it } from '@jest/globals';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import { MAX_DEPTH } from '../../../src/tree/path.js';
import type { NodeRecord } from '../../../src/tree/records.js';
import { refusal, Rows } from './rows.js';

let tree: AdapterTree;
let rows: Rows;
let root: NodeRecord;

beforeEach(() => {
  tree = new AdapterTree();
  rows = new Rows(tree);
  root = rows.model('storyteller');
});

/** `number reason` a step, `-` for no revision; `!` after what is off-pin, `~` after what is stale. */
function explain(path: string): string[] {
  return tree
    .resolve(path)
    .steps.map(({ revision, reason, offPin, stale }) =>
      [revision?.number ?? '-', reason].join(' ').concat(offPin ? '!' : '', stale ? '~' : ''),
    );
}

describe('resolving a path', () => {
  it('is the bare base at the root', () => {
    expect(tree.resolve('storyteller')).toMatchObject({
      path: 'storyteller',
      steps: [],
      model: { name: 'storyteller' },
    });
  });

  it('keeps a child on the parent revision that it was trained on, and says that it is stale', () => {
    const french = rows.add(root, 'french');
    rows.push(french.id);
    const verne = rows.add(french, 'verne');
    rows.push(verne.id);
    const sea = rows.add(verne, 'sea');
    rows.push(sea.id);
    expect(explain('storyteller/french/verne/sea')).toEqual(['1 pinned', '1 pinned', '1 head']);

    const better = rows.push(french.id);
    expect(explain('storyteller/french')).toEqual(['1 head']);
    rows.change(french.id, { headId: better.id });
    expect(explain('storyteller/french')).toEqual(['2 head']);
    expect(explain('storyteller/french/verne/sea')).toEqual(['1 pinned', '1 pinned~', '1 head~']);
    expect(tree.staleness(french.id)).toEqual({ stale: false, chain: [] });
    expect(tree.staleness(sea.id)).toMatchObject({
      stale: true,
      chain: [
        {
          nodeId: verne.id,
          nodePath: 'storyteller/french/verne',
          head: { number: 1 },
          trainedOn: { number: 1 },
          parentHead: { number: 2 },
        },
      ],
    });

    rows.change(verne.id, { policy: 'follow' });
    expect(explain('storyteller/french/verne/sea')).toEqual(['2 follow', '1 pinned~', '1 head~']);
    rows.change(verne.id, { headId: rows.push(verne.id).id });
    expect(tree.staleness(verne.id).stale).toBe(false);
    expect(explain('storyteller/french/verne')).toEqual(['2 follow', '2 head']);
    expect(explain('storyteller/french/verne/sea')).toEqual(['2 follow', '1 pinned~', '1 head~']);
  });

  it('lets an explicit revision win, goes on from what it was trained on, and marks it off-pin', () => {
    const a = rows.add(root, 'a');
    const a1 = rows.push(a.id);
    const a2 = rows.push(a.id);
    const b = rows.add(a, 'b');
    rows.push(b.id, a1.id);
    const b2 = rows.push(b.id, a2.id);
    const c = rows.add(b, 'c');
    rows.push(c.id, b2.id);
    expect(explain('storyteller/a/b/c')).toEqual(['2 pinned', '2 pinned~', '1 head~']);
    expect(explain('storyteller/a/b@1/c')).toEqual(['1 pinned', '1 explicit!', '1 head~']);
    expect(explain('storyteller/a/b@2/c')).toEqual(['2 pinned', '2 explicit~', '1 head~']);
    expect(explain('storyteller/a@2/b@1/c@1')).toEqual(['2 explicit!', '1 explicit!', '1 explicit~']);
    expect(explain('storyteller/a/b@1')).toEqual(['1 pinned', '1 explicit']);
  });

  it('looks aliases up, and refuses those that it does not know', () => {
    const french = rows.add(root, 'french');
    const first = rows.push(french.id);
    rows.push(french.id);
    expect(() => tree.resolve('storyteller/french@production')).toThrow(
      '"storyteller/french" has no alias "production"; it has revisions up to 2.',
    );
    const other = rows.add(root, 'other');
    const foreign = rows.push(other.id);
    tree.setAliases(french.id, [
      { name: 'production', revisionId: first.id, protected: true },
      { name: 'astray', revisionId: foreign.id, protected: false },
    ]);
    expect(tree.resolve('storyteller/french@production').steps).toMatchObject([
      { reason: 'explicit', revision: { number: 1 } },
    ]);
    expect(refusal(() => tree.resolve('storyteller/french@candidate'))).toBe('revision_not_found');
    expect(refusal(() => tree.resolve('storyteller/french@astray'))).toBe('revision_not_found');
    expect(() => tree.resolve('storyteller/french@3')).toThrow('has no revision 3');
  });

  it('adds nothing for a node without revisions, nor for one that had none when the one below was trained', () => {
    const a = rows.add(root, 'a');
    rows.push(a.id);
    const b = rows.add(a, 'b');
    const c = rows.add(b, 'c');
    rows.push(c.id);
    expect(explain('storyteller/a/b')).toEqual(['1 head', '- empty']);
    expect(explain('storyteller/a/b/c')).toEqual(['1 head', '- empty', '1 head']);
    rows.push(b.id);
    expect(explain('storyteller/a/b/c')).toEqual(['1 head', '- pinned', '1 head~']);
    expect(explain('storyteller/a/b@1/c')).toEqual(['1 pinned', '1 explicit!', '1 head~']);
  });

  it('follows the head of a parent that nothing below was trained on', () => {
    const a = rows.add(root, 'a');
    rows.push(a.id);
    const x = rows.add(root, 'x');
    rows.push(x.id);
    const b = rows.add(a, 'b');
    rows.push(b.id);
    rows.change(b.id, { parentId: x.id, detached: true, policy: 'follow' });
    expect(explain('storyteller/x/b')).toEqual(['1 follow', '1 head~']);
    rows.change(b.id, { policy: 'pinned' });
    expect(explain('storyteller/x/b')).toEqual(['1 follow', '1 head~']);
    const next = rows.push(b.id);
    rows.change(b.id, { headId: next.id });
    expect(explain('storyteller/x/b')).toEqual(['1 pinned', '2 head']);
    expect(explain('storyteller/x/b@1')).toEqual(['1 follow', '1 explicit~']);
  });

  it('refuses a disabled node and all below it, by name', () => {
    const a = rows.add(root, 'a');
    const b = rows.add(a, 'b');
    rows.push(b.id);
    rows.change(a.id, { disabled: true });
    expect(() => tree.resolve('storyteller/a')).toThrow('"storyteller/a" is disabled. Enable it');
    expect(() => tree.resolve('storyteller/a/b:0.5@1')).toThrow(
      '"storyteller/a" is disabled, and "storyteller/a/b" lies below it. Enable it',
    );
    expect(explain('storyteller')).toEqual([]);
    rows.change(a.id, { disabled: false });
    expect(explain('storyteller/a/b')).toEqual(['- empty', '1 head']);
    rows.change(root.id, { disabled: true });
    expect(() => tree.resolve('storyteller/a/b')).toThrow('"storyteller" is disabled');
  });
});

describe('a path that does not exist', () => {
  const nearest = (path: string) => {
    try {
      tree.resolve(path);
    } catch (error) {
      expect(error).toMatchObject({ code: 'path_not_found', status: 404 });
      return (error as { details: { nearest: string[] } }).details.nearest;
    }
    throw new Error(`${path} resolved`);
  };

  it('is answered with the nearest names', () => {
    const french = rows.add(root, 'french');
    const verne = rows.add(french, 'verne');
    rows.add(root, 'german');
    rows.add(verne, 'sea');
    expect(nearest('storyteller/frensh')).toEqual(['storyteller/french']);
    expect(nearest('storyteller/frensh/verne')).toContain('storyteller/french/verne');
    expect(nearest('storyteler/french/verne')).toEqual(['storyteller/french/verne']);
    expect(nearest('storyteller/verne')).toEqual(['storyteller/french/verne']);
    expect(nearest('french/verne')).toContain('storyteller/french/verne');
    expect(nearest('storyteller/french/vern')).toContain('storyteller/french/verne');
    expect(nearest('storyteller/zzzzzzzzzzzzzzzzzz')).toEqual([]);
    expect(() => tree.resolve('storyteller/frensh')).toThrow('Did you mean "storyteller/french"?');
    expect(() => tree.find('storyteller/frensh')).toThrow('Did you mean "storyteller/french"?');
  });

  it('is so among more siblings than are compared', () => {
    for (let i = 0; i < 3000; i++) rows.add(root, `customer-${i}`);
    expect(nearest('storyteller/custmer-2999')).toEqual(['storyteller/customer-2999']);
    expect(nearest('storyteller/customer-29990')).toContain('storyteller/customer-2999');
    expect(nearest('storyteller/cutsomer-2871')).toEqual(['storyteller/customer-2871']);
  });

  it('is so in an empty tree', () => {
    tree = new AdapterTree();
    expect(nearest('anything/at/all')).toEqual([]);
  });
});

describe('the shape of the tree', () => {
  it('refuses a second node of one name under a parent, and a second model of one name', () => {
    const a = rows.add(root, 'a');
    rows.add(a, 'a');
    expect(() => rows.add(root, 'a')).toThrow('"storyteller/a" exists already');
    const b = rows.add(root, 'b');
    expect(refusal(() => rows.change(b.id, { name: 'a' }))).toBe('name_taken');
    expect(tree.nodeByPath(['storyteller', 'b'])?.id).toBe(b.id);
    expect(refusal(() => tree.setModel({ id: 'other', name: 'storyteller', digest: 'd', rootNodeId: 'r' }))).toBe(
      'name_taken',
    );
  });

  it('moves a node with all that is below it, but never under itself', () => {
    const a = rows.add(root, 'a');
    const b = rows.add(a, 'b');
    const c = rows.add(b, 'c');
    expect(() => rows.change(a.id, { parentId: c.id })).toThrow(
      '"storyteller/a" can\'t be moved under "storyteller/a/b/c"',
    );
    expect(refusal(() => rows.change(a.id, { parentId: a.id }))).toBe('node_cycle');
    rows.change(b.id, { parentId: root.id, name: 'moved' });
    expect(tree.pathOf(c.id)).toBe('storyteller/moved/c');
    expect(tree.nodeByPath(['storyteller', 'a', 'b'])).toBeUndefined();
    expect(tree.children(root.id).map(({ name }) => name)).toEqual(['a', 'moved']);
    expect([...tree.subtree(root.id)].map(({ id }) => tree.pathOf(id))).toEqual([
      'storyteller',
      'storyteller/a',
      'storyteller/moved',
      'storyteller/moved/c',
    ]);
  });

  it('keeps nodes in their model, roots at the root, and depth within what a path can say', () => {
    const other = rows.model('other');
    const a = rows.add(root, 'a');
    expect(refusal(() => rows.change(a.id, { parentId: other.id }))).toBe('tree_structure');
    expect(refusal(() => rows.change(a.id, { parentId: other.id, modelId: other.modelId }))).toBe('tree_structure');
    expect(refusal(() => rows.change(root.id, { parentId: a.id }))).toBe('tree_structure');
    expect(refusal(() => rows.change(a.id, { parentId: 'nowhere' }))).toBe('node_not_found');

    let deepest = root;
    for (let i = 0; i < MAX_DEPTH; i++) deepest = rows.add(deepest, 'deeper');
    expect(tree.resolve(tree.pathOf(deepest.id)).steps).toHaveLength(MAX_DEPTH);
    expect(refusal(() => rows.add(deepest, 'deeper'))).toBe('node_too_deep');
    rows.add(a, 'b');
    const almost = rows.node(deepest.parentId!);
    expect(refusal(() => rows.change(a.id, { parentId: almost.id }))).toBe('node_too_deep');
  });

  it('says what it would refuse, without doing it', () => {
    const a = rows.add(root, 'a');
    expect(refusal(() => tree.check({ ...a, id: 'new' }))).toBe('name_taken');
    tree.check({ ...a, id: 'new', name: 'b' });
    expect(tree.size.nodes).toBe(2);
  });

  it('removes leaves with their revisions, and whole models', () => {
    const a = rows.add(root, 'a');
    const b = rows.add(a, 'b');
    const revision = rows.push(b.id);
    expect(refusal(() => tree.removeNode(a.id))).toBe('tree_structure');
    tree.removeNode(b.id);
    expect(tree.revision(revision.id)).toBeUndefined();
    expect(tree.children(a.id)).toEqual([]);
    tree.removeModel(root.modelId);
    expect(tree.size).toEqual({ models: 0, nodes: 0, revisions: 0 });
    expect(tree.model('storyteller')).toBeUndefined();
  });

  it('keeps revisions by number, in whatever order they come, each once and in its node', () => {
    const a = rows.add(root, 'a');
    const first = rows.push(a.id);
    const revision = (number: number) => ({ ...first, id: `r${number}`, number });
    tree.setRevision(revision(4));
    tree.setRevision(revision(2));
    tree.setRevision({ ...revision(4), rank: 16 });
    expect(tree.revisions(a.id).map(({ number, rank }) => [number, rank])).toEqual([
      [1, 8],
      [2, 8],
      [4, 16],
    ]);
    expect(explain('storyteller/a@4')).toEqual(['4 explicit']);
    expect(refusal(() => tree.setRevision({ ...revision(4), id: 'again' }))).toBe('tree_structure');
    expect(refusal(() => tree.setRevision({ ...revision(5), nodeId: 'nowhere' }))).toBe('node_not_found');
    const b = rows.add(root, 'b');
    expect(refusal(() => tree.setRevision({ ...first, nodeId: b.id }))).toBe('tree_structure');
  });
});
