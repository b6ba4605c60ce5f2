import { expect, test } from '@jest/globals';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import type { NodeRecord, RevisionRecord } from '../../../src/tree/records.js';
import { refusal, Rows } from './rows.js';

const rows = new Rows();
const root = rows.model('storyteller');
const first = rows.push(rows.add(root, 'french').id);

function node(id: string, parentId: string | null): NodeRecord {
  return { ...root, id, name: id, parentId };
}

function load(nodes: NodeRecord[], revisions: RevisionRecord[] = []): AdapterTree {
  return AdapterTree.load({ models: [], nodes, revisions });
}

test('parents may come after their children, but not be missing or lie in a ring', () => {
  expect(load([node('b', 'a'), node('a', null)]).size.nodes).toBe(2);
  expect(() => load([node('a', null), node('b', 'c'), node('c', 'b')])).toThrow(
    '2 nodes of the registry lie in a ring',
  );
  expect(refusal(() => load([node('b', 'a')]))).toBe('node_not_found');
});

test('revisions may come in any order, but not without their node or under two', () => {
  const nodes = [node('a', null), node('b', 'a')];
  const revision = (id: string, nodeId: string, number: number): RevisionRecord => ({ ...first, id, nodeId, number });
  const tree = load(nodes, [revision('b2', 'b', 2), revision('a1', 'a', 1), revision('b1', 'b', 1)]);
  expect(tree.revisions('b').map(({ id }) => id)).toEqual(['b1', 'b2']);
  expect(tree.revision('a1')?.nodeId).toBe('a');
  expect(refusal(() => load(nodes, [revision('c1', 'c', 1)]))).toBe('node_not_found');
  expect(refusal(() => load(nodes, [revision('one', 'a', 1), revision('one', 'b', 1)]))).toBe('tree_structure');
});
