/** Old names of nodes that moved: they lead on, and keep their place from others. */
import { NameRedirectedError } from '../../../src/errors/paths.js';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import type { NodeRecord } from '../../../src/tree/records.js';
import { refusal, Rows } from './rows.js';

function grown() {
  const tree = new AdapterTree();
  const rows = new Rows(tree);
  const root = rows.model('m');
  const a = rows.add(root, 'a');
  const b = rows.add(root, 'b');
  const leaf = rows.add(a, 'leaf');
  rows.push(leaf.id);
  return { tree, rows, root, a, b, leaf };
}

/** As the registry moves a node: with a redirect in its old place. */
function move(tree: AdapterTree, node: NodeRecord, to: NodeRecord, name: string): void {
  const left = { id: `r-${node.name}`, name: node.name, nodeId: node.id };
  const from = node.parentId ?? '';
  tree.apply({
    nodes: [{ ...node, parentId: to.id, name }],
    redirects: [{ parentId: from, redirects: [...tree.redirects(from), left] }],
  });
}

test('an old path leads to where the node lies now, and to what lies below it', () => {
  const { tree, rows, b, leaf } = grown();
  rows.add(leaf, 'below');
  move(tree, leaf, b, 'leaf');
  expect(tree.find('m/a/leaf').id).toBe(leaf.id);
  expect(tree.pathOf(tree.find('m/a/leaf/below').id)).toBe('m/b/leaf/below');
  expect(tree.resolve('m/a/leaf:0.5')).toMatchObject({ path: 'm/b/leaf:0.5', redirectedFrom: 'm/a/leaf:0.5' });
});

test('a node that moves twice is found from both places', () => {
  const { tree, root, b, leaf } = grown();
  move(tree, leaf, b, 'leaf');
  move(tree, { ...leaf, parentId: b.id }, root, 'top');
  expect(['m/a/leaf', 'm/b/leaf', 'm/top'].map((path) => tree.find(path).id)).toEqual([leaf.id, leaf.id, leaf.id]);
});

test('a name that leads on is refused to all but the node that had it', () => {
  const { tree, a, b, leaf } = grown();
  move(tree, leaf, b, 'leaf');
  const other = { ...leaf, id: 'other' };
  expect(refusal(() => tree.check(other))).toBe('name_redirected');
  expect(refusal(() => tree.check(leaf))).toBe(null);
  tree.setRedirects(a.id, []);
  expect(refusal(() => tree.check(other))).toBe(null);
});

test('the refusal names the other node to those alone who see it', () => {
  const { tree, a, b, leaf } = grown();
  move(tree, leaf, b, 'leaf');
  const told = (within: string | null) => {
    try {
      tree.check({ ...leaf, id: 'other' }, { within });
    } catch (error) {
      return error instanceof NameRedirectedError ? error.details : error;
    }
  };
  expect(told(null)).toMatchObject({ path: 'm/a/leaf', redirect: 'r-leaf', target: 'm/b/leaf' });
  expect(told(a.id)).toMatchObject({ target: null });
});

test('of two commits at once, a node that left a subtree stays when that is removed', () => {
  const { tree, rows, root, a, b, leaf } = grown();
  const below = rows.add(leaf, 'below');
  const inA = rows.add(a, 'stays');
  tree.apply({
    removedNodes: [a.id],
    nodes: [
      { ...leaf, parentId: b.id },
      { ...a, id: 'new', parentId: root.id },
    ],
  });
  expect(tree.pathOf(below.id)).toBe('m/b/leaf/below');
  expect(tree.revisions(leaf.id)).toHaveLength(1);
  expect(tree.node(inA.id)).toBeUndefined();
  expect(tree.find('m/a').id).toBe('new');
});
