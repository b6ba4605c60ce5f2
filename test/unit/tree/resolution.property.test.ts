import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import { pathDigest } from '../../../src/tree/path-digest.js';
import { naiveResolve, naiveStale, naiveStaleNodes, type Asked, type NaiveStep } from './naive-resolution.js';
import { loadedInPages, refusal, Rows } from './rows.js';

/** Draws are numbers that pick from what is there when the operation runs. */
const pick = fc.nat({ max: 1_000_000 });
const operation = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('add' as const), at: pick, name: fc.constantFrom('a', 'b', 'c') }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('push' as const), at: pick, on: fc.option(pick) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('promote' as const), at: pick, to: pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      at: pick,
      to: pick,
      name: fc.constantFrom('a', 'b', 'd'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('policy' as const), at: pick, follow: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('recall' as const), at: pick, fallback: fc.option(pick) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('switch' as const), at: pick, disabled: fc.boolean() }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const question = fc.record({
  at: pick,
  // Mostly none: a path of several segments would else almost always name a revision that isn't there.
  numbers: fc.array(
    fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 }) }),
    { maxLength: 12 },
  ),
  thousandths: fc.array(fc.integer({ min: -4000, max: 4000 }), { minLength: 12, maxLength: 12 }),
});

/** Everything that a tree holds of them. */
function held(tree: AdapterTree, rows: Rows) {
  const ids = [...rows.nodes.keys()];
  return {
    size: tree.size,
    stale: [...tree.staleNodes].map(({ id }) => id).sort(),
    nodes: ids.map((id) => [tree.node(id), tree.children(id), tree.revisions(id)]),
    revisions: [...rows.revisions.keys()].map((id) => tree.revision(id)),
  };
}

describe('resolution', () => {
  it('agrees with a naive walk over the rows, whatever was done to the tree', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' }),
        fc.array(question, { minLength: 5, maxLength: 10 }),
        (operations, questions) => {
          const tree = new AdapterTree();
          const rows = new Rows(tree);
          rows.model('m');
          const half = operations.length >> 1;
          for (const step of operations.slice(0, half)) perform(rows, step);
          // Changed after it was loaded, while part of its revisions lie in their pages still.
          const followed = loadedInPages(rows, 3);
          rows.follow(followed);
          for (const step of operations.slice(half)) perform(rows, step);
          const paged = loadedInPages(rows, 4);
          const reloaded = AdapterTree.load({
            models: rows.models,
            nodes: [...rows.nodes.values()].reverse(),
            revisions: [...rows.revisions.values()].reverse(),
          });

          const stale = naiveStaleNodes(rows).sort();
          for (const other of [reloaded, paged, followed]) {
            expect(held(other, rows)).toEqual(held(tree, rows));
          }
          expect([...tree.staleNodes].map(({ id }) => id).sort()).toEqual(stale);
          expect([...rows.revisions.keys()].map((id) => tree.revision(id))).toEqual([...rows.revisions.values()]);
          for (const { at, numbers, thousandths } of questions) {
            const asked = { nodeId: nth(rows.nodes, at).id, numbers };
            const text = asText(rows, asked, thousandths);
            const naive = naiveResolve(rows, asked);
            for (const outcome of typeof naive === 'string' ? [naive] : naive.map(({ reason }) => reason)) {
              seen.add(outcome);
            }
            expect(resolved(tree, text)).toEqual(naive);
            for (const other of [reloaded, paged, followed]) expect(resolved(other, text)).toEqual(naive);
            expect(tree.staleness(asked.nodeId).stale).toBe(naiveStale(rows, asked.nodeId));
          }
        },
      ),
      { numRuns: 300 },
    );
    // The draws reach every branch of the definition.
    expect([...seen].sort()).toEqual(
      [
        'empty',
        'explicit',
        'fallback',
        'follow',
        'head',
        'node_disabled',
        'pinned',
        'revision_not_found',
        'revision_recalled',
      ].sort(),
    );
  });

  it('digests the sum: names, nodes without revision and weights of 0 leave no trace', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -4000, max: 4000 }), { minLength: 1, maxLength: 6 }), (thousandths) => {
        const tree = new AdapterTree();
        const rows = new Rows(tree);
        let node = rows.model('m');
        const weights = thousandths.map((weight) => weight / 1000);
        const terms = weights.map((weight, i) => {
          node = rows.add(node, `n${i}`);
          return { weight, revision: rows.push(node.id) };
        });
        const text = (revision: string) => ['m', ...weights.map((w, i) => `n${i}:${w}${revision}`)].join('/');
        const before = tree.resolve(text('')).digest;
        expect(before).toBe(pathDigest('base-m', terms));
        expect(before).toBe(pathDigest('base-m', [...terms, { weight: 1, revision: null }]));
        expect(before).toBe(pathDigest('base-m', [{ weight: 0, revision: { digest: 'x' } }, ...terms]));
        expect(tree.resolve(text('@1')).digest).toBe(before);
        rows.change(node.id, { name: 'renamed' });
        const renamed = text('').replace(`n${weights.length - 1}:`, 'renamed:');
        expect(tree.resolve(renamed).digest).toBe(before);

        const last = weights.length - 1;
        const other = terms.map((term, i) => (i === last ? { ...term, weight: term.weight === 1 ? 2 : 1 } : term));
        expect(pathDigest('base-m', other)).not.toBe(before);
        expect(pathDigest('other', terms)).not.toBe(before);
      }),
    );
  });
});

function resolved(tree: AdapterTree, text: string): NaiveStep[] | string {
  try {
    const path = tree.resolve(text);
    expect(tree.resolve(path.path)).toEqual(path);
    expect(path.steps.map(({ nodePath }) => nodePath)).toEqual(path.steps.map(({ nodeId }) => tree.pathOf(nodeId)));
    return path.steps.map(({ nodeId, revision, reason, offPin, stale }) => ({
      nodeId,
      revisionId: revision?.id ?? null,
      reason,
      offPin,
      stale,
    }));
  } catch (error) {
    if (error instanceof EspalierError) return error.code;
    throw error;
  }
}

function asText(rows: Rows, { nodeId, numbers }: Asked, thousandths: number[]): string {
  const [root, ...nodes] = rows.lineage(nodeId);
  const segments = nodes.map(({ name }, i) => {
    const number = numbers[i] ?? null;
    return `${name}:${(thousandths[i % thousandths.length] ?? 0) / 1000}${number === null ? '' : `@${number}`}`;
  });
  return [root!.name, ...segments].join('/');
}

/** Does it to the rows and the tree; where the rules forbid it, the tree must refuse, and nothing changes. */
function perform(rows: Rows, step: Operation): void {
  const node = nth(rows.nodes, step.at);
  const isRoot = node.parentId === null;
  const taken = (parentId: string, name: string, except?: string) =>
    rows.childrenOf(parentId).some((child) => child.name === name && child.id !== except);
  switch (step.do) {
    case 'add':
      if (taken(node.id, step.name)) expect(refusal(() => rows.add(node, step.name))).toBe('name_taken');
      else if (rows.lineage(node.id).length <= 10) rows.add(node, step.name);
      return;
    case 'push': {
      if (isRoot) return;
      const candidates = [null, ...rows.revisionsOf(node.parentId!).map(({ id }) => id)];
      rows.push(node.id, step.on === null ? undefined : candidates[step.on % candidates.length]);
      return;
    }
    case 'promote': {
      const revisions = rows.revisionsOf(node.id).filter(({ recalled }) => !recalled);
      if (revisions.length > 0) rows.change(node.id, { headId: revisions[step.to % revisions.length]!.id });
      return;
    }
    case 'move': {
      if (isRoot) return;
      const parent = nth(rows.nodes, step.to);
      const change = () => {
        const trained = parent.id !== node.parentId && rows.revisionsOf(node.id).length > 0;
        const moved = { parentId: parent.id, name: step.name };
        return rows.change(node.id, trained ? { ...moved, policy: 'follow', detached: true } : moved);
      };
      const isBelow = rows.lineage(parent.id).some(({ id }) => id === node.id);
      if (taken(parent.id, step.name, node.id)) expect(refusal(change)).toBe('name_taken');
      else if (isBelow) expect(refusal(change)).toBe('node_cycle');
      else if (rows.lineage(parent.id).length <= 10) change();
      return;
    }
    case 'recall': {
      // Of what others stand on, mostly: that is where a recall is felt.
      const all = [...rows.revisions.values()];
      const pinned = all.filter(({ id, recalled }) => !recalled && all.some(({ trainedOnId }) => trainedOnId === id));
      const candidates = pinned.length > 0 ? pinned : all.filter(({ recalled }) => !recalled);
      const revision = candidates[step.at % (candidates.length || 1)];
      if (!revision) return;
      const others = rows.revisionsOf(revision.nodeId).filter(({ id, recalled }) => !recalled && id !== revision.id);
      rows.recall(
        revision.id,
        step.fallback === null ? null : (others[step.fallback % (others.length || 1)]?.id ?? null),
      );
      return;
    }
    case 'policy':
      rows.change(node.id, { policy: step.follow ? 'follow' : 'pinned' });
      return;
    case 'switch':
      if (!isRoot) rows.change(node.id, { disabled: step.disabled });
  }
}

function nth<T>(items: ReadonlyMap<string, T>, index: number): T {
  return [...items.values()][index % items.size]!;
}
