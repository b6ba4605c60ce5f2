/** Draws the next operation that should succeed, as far as the client knows. */
import type { RandomNumbers } from '../support/random-numbers.js';
import type { Operation } from './operations.js';
import { isFree, isPutAway, isWithin, liveNodes, nodeOf, type KnownNode, type Subtree } from './subtree.js';

const MAX_NODES = 14;
const MAX_DEPTH = 6;
const MAX_REVISIONS = 12;
const ALIASES = ['production', 'candidate', 'previous'];

export interface Draw {
  random: RandomNumbers;
  /** How many adapters there are. */
  adapters: number;
  /** A number that was not given out before. */
  fresh: () => number;
}

type Chooser = (subtree: Subtree, draw: Draw) => Operation | null;

/** With the share of each. */
const CHOOSERS: readonly [number, Chooser][] = [
  [2, create],
  [8, push],
  [4, promote],
  [4, alias],
  [1, unalias],
  [4, move],
  [2, moveBack],
  [2, putAway],
  [2, toggle],
  [2, remove],
  [2, undelete],
  [1, dropRedirect],
];
const SHARES = CHOOSERS.reduce((sum, [share]) => sum + share, 0);

export function choose(subtree: Subtree, draw: Draw): Operation {
  for (;;) {
    let at = draw.random.below(SHARES);
    const [, chooser] = CHOOSERS.find(([share]) => (at -= share) < 0) ?? [0, push];
    const operation = chooser(subtree, draw);
    if (operation) return operation;
  }
}

function create(subtree: Subtree, { random, fresh }: Draw): Operation | null {
  const parent = openNode(subtree, random);
  if (!parent || liveNodes(subtree).length >= MAX_NODES) return null;
  return { kind: 'create', parent: parent.key, name: `n${fresh()}` };
}

function push(subtree: Subtree, { random, adapters, fresh }: Draw): Operation | null {
  const adapter = random.below(adapters);
  const message = `m${fresh()}`;
  const node = pick(
    below(subtree).filter((one) => !isPutAway(subtree, one) && one.revisions.length < MAX_REVISIONS),
    random,
  );
  if (node && random.below(3) > 0) {
    if (node.adapters.includes(adapter)) return null;
    return { kind: 'push', parent: node.parent ?? 0, name: node.name, node: node.key, adapter, message };
  }
  const parent = openNode(subtree, random);
  if (!parent || liveNodes(subtree).length >= MAX_NODES) return null;
  return { kind: 'push', parent: parent.key, name: `n${fresh()}`, node: null, adapter, message };
}

function promote(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(
    below(subtree).filter((one) => one.revisions.length > 1),
    random,
  );
  if (!node) return null;
  const revision = 1 + random.below(node.revisions.length);
  return revision === node.head ? null : { kind: 'promote', node: node.key, revision };
}

function alias(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(
    below(subtree).filter((one) => one.revisions.length > 0 && !isPutAway(subtree, one)),
    random,
  );
  const name = pick(ALIASES, random);
  if (!node || name === undefined) return null;
  const revision = 1 + random.below(node.revisions.length);
  return node.aliases[name] === revision ? null : { kind: 'alias', node: node.key, alias: name, revision };
}

function unalias(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(below(subtree), random);
  const name = node && pick(Object.keys(node.aliases), random);
  return node && name !== undefined ? { kind: 'unalias', node: node.key, alias: name } : null;
}

function move(subtree: Subtree, { random, fresh }: Draw): Operation | null {
  const node = pick(below(subtree), random);
  const parent = openNode(subtree, random);
  if (!node || !parent || isWithin(subtree, parent, node.key)) return null;
  if (depthOf(subtree, parent) + heightOf(subtree, node) > MAX_DEPTH) return null;
  return { kind: 'move', node: node.key, parent: parent.key, name: `n${fresh()}` };
}

/** Over its own redirect. */
function moveBack(subtree: Subtree, { random }: Draw): Operation | null {
  const redirect = pick(subtree.redirects, random);
  if (!redirect) return null;
  const [node, parent] = [nodeOf(subtree, redirect.node), nodeOf(subtree, redirect.parent)];
  if (isWithin(subtree, parent, node.key)) return null;
  if (isPutAway(subtree, parent) && parent.key !== node.parent) return null;
  return { kind: 'move', node: node.key, parent: parent.key, name: redirect.name };
}

function putAway(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(below(subtree), random);
  return node ? { kind: node.archived ? 'restore' : 'archive', node: node.key } : null;
}

function toggle(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(below(subtree), random);
  return node ? { kind: node.disabled ? 'enable' : 'disable', node: node.key } : null;
}

function remove(subtree: Subtree, { random }: Draw): Operation | null {
  const node = pick(below(subtree), random);
  return node ? { kind: 'delete', node: node.key } : null;
}

function undelete(subtree: Subtree, { random }: Draw): Operation | null {
  const tops = subtree.nodes.filter(
    ({ key, id, parent, name, deletedWith }) =>
      deletedWith === key &&
      id !== null &&
      parent !== null &&
      !subtree.purged.includes(key) &&
      nodeOf(subtree, parent).deletedWith === null &&
      isFree(subtree, parent, name),
  );
  const node = pick(tops.slice(-3), random);
  return node ? { kind: 'undelete', node: node.key } : null;
}

function dropRedirect(subtree: Subtree, { random }: Draw): Operation | null {
  const redirect = pick(subtree.redirects, random);
  return redirect ? { kind: 'drop redirect', parent: redirect.parent, name: redirect.name } : null;
}

/** All but the top. */
function below(subtree: Subtree): KnownNode[] {
  return liveNodes(subtree).filter(({ parent }) => parent !== null);
}

/** One under which something can be put. */
function openNode(subtree: Subtree, random: RandomNumbers): KnownNode | undefined {
  return pick(
    liveNodes(subtree).filter((node) => !isPutAway(subtree, node) && depthOf(subtree, node) < MAX_DEPTH),
    random,
  );
}

function depthOf(subtree: Subtree, { parent }: KnownNode): number {
  return parent === null ? 0 : 1 + depthOf(subtree, nodeOf(subtree, parent));
}

function heightOf(subtree: Subtree, { key }: KnownNode): number {
  const children = liveNodes(subtree).filter(({ parent }) => parent === key);
  return 1 + Math.max(0, ...children.map((child) => heightOf(subtree, child)));
}

function pick<T>(from: readonly T[], random: RandomNumbers): T | undefined {
  return from.length === 0 ? undefined : from[random.below(from.length)];
}
