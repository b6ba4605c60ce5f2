/**
 * Finds nodes among a million without reading them all.
 *
 * What is common is found by walking in the order that is asked for: a page is full after few rows. What is rare is found
 * by an index, or by the tree in memory, which knows subtrees and what is stale; then all of it is sorted. What is neither
 * (rare only by conditions together, of which each is common) is walked for as long as a request may take: its page may be
 * short, or empty, and has a cursor with which the search goes on.
 */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { Database } from '../../database/database.js';
import type { Prisma } from '../../database/generated/client.js';
import { InvalidRequestError } from '../../errors/requests.js';
import { pageOf, type Page } from '../dto/page.js';
import { findNode, isPutAway, isVisible, type Viewer } from '../node-lookup.js';
import { viewNode } from '../node-view.js';
import { TreeMirror } from '../tree-mirror.js';
import { cursorOf, positionOf, type Position } from './search-cursor.js';
import { ofDocuments, ofIds, sort, sources, walk, wordsOf, type FoundRow, type PreparedSearch } from './search-sql.js';
import type { FoundNodeDto, Search } from './search.dto.js';
import { nodesBelow, staleNodes } from './small-set.js';

const MAX_WORDS = 10;
/** Rows of the first step of a walk; the next are larger. */
const FIRST_STEP = 1_000;
const LARGEST_STEP = 8_000;
/** After so many steps indexes are asked. */
const STEPS_BEFORE_INDEX = 2;
/** Nodes that are sorted at once. */
const MAX_SORTED = 10_000;
/** Nodes that are named to the database. */
const MAX_NAMED = 5_000;
/** More than a page, of which the tree may refuse some. */
const SPARE = 1_000;
/** After so long no further step is begun. */
const ENOUGH_MS = 100;

/** In order, from the page's start on. */
interface Progress {
  found: FoundRow[];
  /** Up to where all was looked at; null: to the end. */
  upTo: Position | null;
}

interface Task {
  search: PreparedSearch;
  start: Position | null;
  wanted: number;
  isWanted: (row: FoundRow) => boolean;
}

@Injectable()
export class SearchService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
  ) {}

  async search({ caller }: RequestContext, search: Search): Promise<Page<FoundNodeDto>> {
    const { sort: order, limit, cursor } = search;
    const begun = performance.now();
    const start = positionOf(order, cursor);
    const prepared = await this.#prepare(search);
    const underId = this.#top(caller, search.under);
    if (underId === undefined) return pageOf([], [], null);
    const isWanted = this.#filter(caller, search, underId);

    const task = { search: prepared, start, wanted: limit + 1, isWanted };
    const named = this.#named(search, underId);
    const { found, upTo } = (named && (await this.#sorted(task, ofIds(named)))) ?? (await this.#walked(task, begun));
    const shown = found.slice(0, limit);
    const last = found.length > limit ? (shown.at(-1) ?? null) : upTo;
    const nodes = await this.#view(shown);
    return pageOf(
      nodes.map(({ node }) => node),
      nodes.map(({ row }) => cursorOf(order, row)),
      last && cursorOf(order, last),
    );
  }

  async #prepare({ text, ...search }: Search): Promise<PreparedSearch> {
    if (text === undefined) return { ...search, words: [] };
    const words = await wordsOf(this.database.client, text);
    if (words.length > 0 && words.length <= MAX_WORDS) return { ...search, words };
    throw new InvalidRequestError(`One to ${MAX_WORDS} words are expected; there are ${words.length}.`, 'text');
  }

  /** Null: everything. Undefined: nothing, for a key that is bound to a node which was deleted. */
  #top(caller: Viewer, under: string | undefined): string | null | undefined {
    const { tree } = this.mirror;
    if (under !== undefined) return findNode(tree, under, caller).id;
    return caller.subtree === null || tree.node(caller.subtree) ? caller.subtree : undefined;
  }

  /** What the database doesn't know. */
  #filter(caller: Viewer, { stale, archived }: Search, underId: string | null): (row: FoundRow) => boolean {
    const { tree } = this.mirror;
    return ({ nodeId }) =>
      tree.node(nodeId) !== undefined &&
      isVisible(tree, caller, nodeId) &&
      (underId === null || tree.isWithin(nodeId, underId)) &&
      (archived || !isPutAway(tree, nodeId)) &&
      (stale === undefined || tree.staleness(nodeId).stale === stale);
  }

  /** Ids of all nodes that come into question, where the tree knows that they are few. */
  #named({ stale }: Search, underId: string | null): string[] | null {
    const { tree } = this.mirror;
    const below = underId === null ? null : nodesBelow(tree, underId, MAX_NAMED);
    return below ?? (stale === true ? staleNodes(tree, MAX_NAMED) : null);
  }

  /** Null where they are too many. */
  async #sorted({ search, start, wanted, isWanted }: Task, source: Prisma.Sql): Promise<Progress | null> {
    const limit = wanted + SPARE;
    const rows = await sort(this.database, search, start, source, { most: MAX_SORTED, limit });
    if (!rows) return null;
    return { found: rows.filter(isWanted), upTo: rows.length < limit ? null : (rows.at(-1) ?? null) };
  }

  async #walked(task: Task, begun: number): Promise<Progress> {
    const { search, start, wanted, isWanted } = task;
    const found: FoundRow[] = [];
    const seen = { examined: 0, documents: 0 };
    let upTo = start;
    for (let round = 0; ; round++) {
      if (round === STEPS_BEFORE_INDEX) {
        const sorted = await this.#byIndex(task, seen.documents / seen.examined);
        if (sorted) return sorted;
      }
      const step = Math.max(Math.min(FIRST_STEP * 4 ** round, LARGEST_STEP), wanted);
      const { found: rows, examined, documents, last } = await walk(this.database.client, search, upTo, step);
      found.push(...rows.filter(isWanted));
      if (examined < step) return { found, upTo: null };
      upTo = last;
      seen.examined += examined;
      seen.documents += documents;
      const isLate = round >= STEPS_BEFORE_INDEX && performance.now() - begun > ENOUGH_MS;
      if (found.length >= wanted || isLate) return { found, upTo };
    }
  }

  /** `share`: of the nodes that were looked at, those with the words and tags. */
  async #byIndex(task: Task, share: number): Promise<Progress | null> {
    for (const source of sources(task.search, MAX_SORTED)) {
      const sorted = await this.#sorted(task, source);
      if (sorted) return sorted;
    }
    const source = ofDocuments(task.search);
    // Twice as many as may be, by the sample: there is no hope that they are few.
    if (!source || share * this.mirror.tree.size.nodes > 2 * MAX_SORTED) return null;
    return this.#sorted(task, source);
  }

  async #view(rows: readonly FoundRow[]): Promise<{ row: FoundRow; node: FoundNodeDto }[]> {
    if (rows.length === 0) return [];
    const { tree } = this.mirror;
    const ids = rows.map(({ nodeId }) => nodeId);
    const headIds = ids.flatMap((id) => tree.node(id)?.headId ?? []);
    const [nodes, metrics] = await Promise.all([
      this.database.client.node.findMany({ where: { id: { in: ids } } }),
      this.database.client.revisionMetric.findMany({
        where: { revisionId: { in: headIds } },
        orderBy: { name: 'asc' },
      }),
    ]);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const byHead = new Map<string, Record<string, number>>();
    for (const { revisionId, name, value } of metrics) {
      byHead.set(revisionId, { ...byHead.get(revisionId), [name]: value });
    }
    return rows.flatMap((row) => {
      const node = byId.get(row.nodeId);
      const headId = tree.node(row.nodeId)?.headId;
      if (!node || headId === undefined) return [];
      return [{ row, node: { ...viewNode(tree, node), metrics: (headId && byHead.get(headId)) || {} } }];
    });
  }
}
