/**
 * Which nodes are stale by themselves, in the order of their ids, which is that of their making. The tree keeps them in no
 * order: a page picks the next ones out of all, in slices, so that other requests get their turn however many they are.
 */
import { Injectable } from '@nestjs/common';
import { setImmediate } from 'node:timers/promises';
import type { RequestContext } from '../../access/request-context.js';
import type { AdapterTree } from '../../tree/adapter-tree.js';
import type { StaleLink } from '../../tree/staleness.js';
import type { TreeNode } from '../../tree/tree-node.js';
import { cursorKey, toCursor, toPage, type Page } from '../dto/page.js';
import { findNode, isVisible } from '../node-lookup.js';
import { TreeMirror } from '../tree-mirror.js';
import type { ListStale, StaleNodeDto } from './stale.dto.js';

const NODE_ID = /^[\w-]{1,64}$/;
/** Nodes looked at in one go: a millisecond or two. */
const SLICE = 4_096;
const SORTED_TOGETHER = 512;
/** Nodes below one that are counted. */
const MAX_BELOW = 1_000;

@Injectable()
export class StaleService {
  constructor(private readonly mirror: TreeMirror) {}

  async list(context: RequestContext, { under, limit, cursor }: ListStale): Promise<Page<StaleNodeDto>> {
    const { caller } = context;
    const { tree } = this.mirror;
    const top = under ?? caller.subtree;
    const topId = top === null ? null : findNode(tree, top, caller).id;
    const found = await nextStale(tree, topId, cursorKey(cursor, NODE_ID), limit + 1);
    const isShown = (nodeId: string) => isVisible(tree, caller, nodeId);
    const shown: StaleNodeDto[] = [];
    let visited = 0;
    for (const node of found.slice(0, limit)) {
      const view = viewStale(tree, node, isShown);
      if (view) shown.push(view);
      visited += 1 + (view?.below.nodes ?? 0);
      if (visited < SLICE) continue;
      visited = 0;
      await setImmediate();
    }
    const lastShown = shown.at(-1);
    const lastFound = found[limit - 1];
    const goesOn = found.length > limit;
    if (!lastShown && lastFound && goesOn) {
      // All of them were brought up to date in the meantime, and others come after them.
      return this.list(context, { under, limit, cursor: toCursor(lastFound.id) });
    }
    return toPage(
      // One more row stands for all that come after.
      goesOn && lastShown ? [...shown, lastShown] : shown,
      shown.length,
      ({ nodeId }) => nodeId,
      (view) => view,
    );
  }
}

/** Up to `count` of them, those with the smallest ids after `after`. */
async function nextStale(
  tree: AdapterTree,
  topId: string | null,
  after: string | null,
  count: number,
): Promise<TreeNode[]> {
  let next: TreeNode[] = [];
  /** Whatever comes after it is of no use any more. */
  let last: string | null = null;
  let seen = 0;
  for (const node of tree.staleNodes) {
    if (++seen % SLICE === 0) await setImmediate();
    if ((after !== null && node.id <= after) || (last !== null && node.id >= last)) continue;
    if (!isListed(node, topId)) continue;
    next.push(node);
    if (next.length < 2 * count + SORTED_TOGETHER) continue;
    next = smallest(next, count);
    last = next.at(-1)?.id ?? null;
  }
  return smallest(next, count);
}

/** At or below the topmost node, and not put away. */
function isListed(node: TreeNode, topId: string | null): boolean {
  let isBelow = topId === null;
  for (let at: TreeNode | null = node; at; at = at.parent) {
    if (at.archived) return false;
    isBelow ||= at.id === topId;
  }
  return isBelow;
}

function smallest(nodes: readonly TreeNode[], count: number): TreeNode[] {
  return nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1)).slice(0, count);
}

/** Null where it is no longer stale. */
function viewStale(tree: AdapterTree, { id }: TreeNode, isShown: (nodeId: string) => boolean): StaleNodeDto | null {
  const node = tree.treeNode(id);
  const chain = tree.staleness(id).chain.filter(({ nodeId }) => isShown(nodeId));
  const own = chain.at(-1);
  if (!node || own?.nodeId !== id) return null;
  const below = countBelow(tree, id, MAX_BELOW + 1);
  return {
    nodeId: id,
    path: own.nodePath,
    policy: node.policy,
    detached: node.detached,
    ...numbersOf(own),
    chain: chain.map((link) => ({ path: link.nodePath, ...numbersOf(link) })),
    below: { nodes: Math.min(below, MAX_BELOW), more: below > MAX_BELOW },
  };
}

function numbersOf({ head, trainedOn, parentHead }: StaleLink) {
  return { head: head.number, trainedOn: trainedOn?.number ?? null, parentHead: parentHead?.number ?? null };
}

/** Nodes below one; stops at `limit`. */
function countBelow(tree: AdapterTree, id: string, limit: number): number {
  const queue = [id];
  for (let i = 0; i < queue.length && queue.length <= limit; i++) {
    tree.visitChildren(queue[i] ?? '', (child) => queue.push(child.id) > limit);
  }
  return queue.length - 1;
}
