/**
 * A tree on its way, in as many pieces as there are, so that a million records never lie in memory beside it: models
 * first, then all nodes, then all revisions; or nodes together with their revisions.
 */
import { NodeNotFoundError } from '../errors/nodes.js';
import type { AdapterTree } from './adapter-tree.js';
import type { NodeStore } from './node-store.js';
import type { AliasRecord, ModelRecord, NodeRecord, RedirectRecord, RevisionRecord } from './records.js';
import type { RevisionPage } from './revision-page.js';
import type { StoredNode } from './tree-node.js';

export interface TreeRecords {
  models: Iterable<ModelRecord>;
  /** In any order. */
  nodes: Iterable<NodeRecord>;
  /** In any order. */
  revisions: Iterable<RevisionRecord>;
  aliases?: Iterable<AliasRecord & { nodeId: string }>;
  redirects?: Iterable<RedirectRecord & { parentId: string }>;
}

export class TreeLoad {
  readonly #tree: AdapterTree;
  readonly #store: NodeStore;
  /** Nodes that came before their parents. */
  #orphans: [StoredNode, string][] = [];
  /** Of the last node. */
  #parent: StoredNode | undefined;
  /** Handle of the node whose revision came last. */
  #at = 0;

  /** `tree`: an empty one. */
  constructor(tree: AdapterTree, store: NodeStore) {
    this.#tree = tree;
    this.#store = store;
    store.beginLoad();
  }

  models(records: Iterable<ModelRecord>): void {
    for (const model of records) this.#tree.setModel(model);
  }

  nodes(records: Iterable<NodeRecord>): void {
    for (const record of records) {
      const node = this.#store.add(record);
      const { parentId } = record;
      if (parentId === null) continue;
      // Every look-up in a map of a million waits for memory; often the last one will do.
      if (this.#parent?.id !== parentId) this.#parent = this.#store.find(parentId);
      if (this.#parent) this.#store.connectTo(node, this.#parent);
      else this.#orphans.push([node, parentId]);
    }
  }

  revisions(records: Iterable<RevisionRecord>): void {
    this.#connectOrphans();
    const store = this.#store;
    for (const revision of records) {
      // By node, in the order of the nodes, they are found without a look-up.
      if (store.at(this.#at)?.id !== revision.nodeId && store.at(++this.#at)?.id !== revision.nodeId) {
        this.#at = store.find(revision.nodeId)?.handle ?? store.nextHandle;
      }
      const node = store.at(this.#at);
      if (!node) throw new NodeNotFoundError(revision.nodeId);
      store.addRevision(revision, node);
    }
  }

  /** Nodes, whose `headId` is left out, and the page of all their revisions. */
  page(records: readonly NodeRecord[], revisions: RevisionPage): void {
    const first = this.#store.nextHandle;
    this.nodes(records);
    this.#store.addPage(first, revisions);
  }

  finish({ aliases = [], redirects = [] }: Pick<TreeRecords, 'aliases' | 'redirects'>): AdapterTree {
    const tree = this.#tree;
    this.#connectOrphans();
    for (const { nodeId, ...alias } of aliases) tree.setAliases(nodeId, [...tree.aliases(nodeId), alias]);
    for (const { parentId, ...redirect } of redirects) {
      tree.setRedirects(parentId, [...tree.redirects(parentId), redirect]);
    }
    this.#store.endLoad();
    return tree;
  }

  #connectOrphans(): void {
    for (const [node, parentId] of this.#orphans) this.#store.connect(node, parentId);
    this.#orphans = [];
  }
}
