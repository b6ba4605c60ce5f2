/** A small registry in plain arrays: what the tree mirrors, and what a naive walk reads. */
import { EspalierError } from '../../../src/errors/espalier-error.js';
import type { ModelRecord, NodeRecord, ParentPolicy, RevisionRecord } from '../../../src/tree/records.js';
import { AdapterTree } from '../../../src/tree/adapter-tree.js';
import { RevisionPage } from '../../../src/tree/revision-page.js';

export class Rows {
  readonly models: ModelRecord[] = [];
  readonly nodes = new Map<string, NodeRecord>();
  readonly revisions = new Map<string, RevisionRecord>();
  readonly #trees: AdapterTree[];

  /** What is written here is written into `trees`, too, first: what a tree refuses isn't written. */
  constructor(...trees: AdapterTree[]) {
    this.#trees = trees;
  }

  /** Another tree, to be changed with the others from now on. */
  follow(tree: AdapterTree): void {
    this.#trees.push(tree);
  }

  model(name: string): NodeRecord {
    const model = { id: `model-${name}`, name, digest: `base-${name}`, rootNodeId: `root-${name}` };
    for (const tree of this.#trees) tree.setModel(model);
    this.models.push(model);
    return this.set({
      id: model.rootNodeId,
      modelId: model.id,
      parentId: null,
      name,
      policy: 'pinned',
      disabled: false,
      pinned: false,
      detached: false,
      archived: false,
      headId: null,
      version: 1,
    });
  }

  add(parent: NodeRecord, name: string, policy: ParentPolicy = 'pinned'): NodeRecord {
    return this.set({
      id: `node-${this.nodes.size}`,
      modelId: parent.modelId,
      parentId: parent.id,
      name,
      policy,
      disabled: false,
      pinned: false,
      detached: false,
      archived: false,
      headId: null,
      version: 1,
    });
  }

  set(node: NodeRecord): NodeRecord {
    for (const tree of this.#trees) tree.setNode(node);
    this.nodes.set(node.id, node);
    return node;
  }

  change(id: string, change: Partial<NodeRecord>): NodeRecord {
    return this.set({ ...this.node(id), ...change });
  }

  /** A new revision, trained on the parent's head unless told; the first becomes the head. */
  push(nodeId: string, trainedOnId: string | null = this.headOfParent(nodeId)): RevisionRecord {
    const node = this.node(nodeId);
    const revision: RevisionRecord = {
      id: `revision-${this.revisions.size}`,
      nodeId,
      number: this.revisionsOf(nodeId).length + 1,
      digest: `digest-${this.revisions.size}`,
      trainedOnId,
      rank: 8,
      bytes: 100,
      configBlob: 'config',
      weightsBlob: `weights-${this.revisions.size}`,
      recalled: false,
      fallbackId: null,
    };
    for (const tree of this.#trees) tree.setRevision(revision);
    this.revisions.set(revision.id, revision);
    this.change(nodeId, { headId: revision.number === 1 ? revision.id : node.headId, detached: false });
    return revision;
  }

  /** Out of service; as head it gives way to its fallback. */
  recall(id: string, fallbackId: string | null): void {
    const revision = { ...this.revisions.get(id)!, recalled: true, fallbackId };
    for (const tree of this.#trees) tree.setRevision(revision);
    this.revisions.set(id, revision);
    if (this.node(revision.nodeId).headId === id) this.change(revision.nodeId, { headId: fallbackId });
  }

  node(id: string): NodeRecord {
    return this.nodes.get(id)!;
  }

  revisionsOf(nodeId: string): RevisionRecord[] {
    return [...this.revisions.values()].filter((revision) => revision.nodeId === nodeId);
  }

  childrenOf(nodeId: string): NodeRecord[] {
    return [...this.nodes.values()].filter((node) => node.parentId === nodeId);
  }

  /** Root to leaf. */
  lineage(id: string): NodeRecord[] {
    const node = this.node(id);
    return node.parentId === null ? [node] : [...this.lineage(node.parentId), node];
  }

  pathOf(id: string): string {
    return this.lineage(id)
      .map(({ name }) => name)
      .join('/');
  }

  headOfParent(nodeId: string): string | null {
    const { parentId } = this.node(nodeId);
    return parentId === null ? null : this.node(parentId).headId;
  }
}

/** As a start reads them from the database: by id, a few nodes at a time, with their revisions as text. */
export function loadedInPages(rows: Rows, size: number): AdapterTree {
  const load = AdapterTree.loading();
  load.models(rows.models);
  const nodes = [...rows.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (let first = 0; first < nodes.length; first += size) {
    const page = nodes.slice(first, first + size);
    const lines = page.flatMap((node) =>
      rows
        .revisionsOf(node.id)
        .sort((a, b) => a.number - b.number)
        .map((one) => lineOf(one, node.headId === one.id)),
    );
    load.page(
      page.map((node) => ({ ...node, headId: null })),
      new RevisionPage(lines.join('\n'), page),
    );
  }
  return load.finish({});
}

function lineOf(one: RevisionRecord, isHead: boolean): string {
  const { id, nodeId, number, digest, trainedOnId, rank, bytes, configBlob, weightsBlob, recalled, fallbackId } = one;
  const fields = [
    nodeId,
    id,
    number,
    digest,
    trainedOnId,
    rank,
    bytes,
    configBlob,
    weightsBlob,
    Number(recalled),
    fallbackId,
  ];
  return [Number(isHead), ...fields].join(',');
}

/** The code of the error that refuses it, or null. */
export function refusal(action: () => unknown): string | null {
  try {
    action();
    return null;
  } catch (error) {
    if (error instanceof EspalierError) return error.code;
    throw error;
  }
}
