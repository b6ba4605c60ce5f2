/** What the rest of the service asks of the registry: paths, what they mean, and where their bytes lie. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../access/request-context.js';
import type { AdapterUse, ModelSource } from '../engine/protocol.js';
import { ModelNotImportedError } from '../errors/models.js';
import { PathNotFoundError } from '../errors/paths.js';
import { BlobStore } from '../storage/blob-store.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import type { NodeRecord } from '../tree/records.js';
import type { ResolvedPath, ResolvedRevision } from '../tree/resolved-path.js';
import { toResolutionDto, type ResolutionDto } from './dto/resolution.dto.js';
import { isVisible } from './node-lookup.js';
import { NodeWalk, type WalkedNode } from './node-walk.js';
import { sourceOf, type RegisteredModel } from './registered-model.js';
import { ServingRecord } from './serving-record.js';
import { TreeMirror } from './tree-mirror.js';

/** A node as something to generate with. */
export interface ServableNode {
  path: string;
  /** The model's name: first segment of the path. */
  root: string;
  /** Null for the bare base. */
  parent: string | null;
  createdAt: Date;
}

@Injectable()
export class RegistryService {
  readonly #mirror: TreeMirror;
  readonly #walk: NodeWalk;
  readonly #blobs: BlobStore;
  readonly #served: ServingRecord;

  constructor(mirror: TreeMirror, walk: NodeWalk, blobs: BlobStore, served: ServingRecord) {
    this.#mirror = mirror;
    this.#walk = walk;
    this.#blobs = blobs;
    this.#served = served;
  }

  get tree(): AdapterTree {
    return this.#mirror.tree;
  }

  /**
   * Throws `path_not_found` with the nearest names, `invalid_path`, `revision_not_found`, `revision_recalled`,
   * `node_disabled`, `node_archived`, `ancestor_override`.
   */
  resolve({ caller }: RequestContext, path: string): ResolvedPath {
    return this.#mirror.tree.resolve(path, { within: caller.subtree });
  }

  /** What a path means now, step by step; of what lies above the caller's subtree the name and the number alone. */
  explain(context: RequestContext, path: string): ResolutionDto {
    const { tree } = this.#mirror;
    const isShown = (nodeId: string) => isVisible(tree, context.caller, nodeId);
    return toResolutionDto(this.resolve(context, path), isShown, (modelId) =>
      isShown(tree.modelById(modelId)?.rootNodeId ?? ''),
    );
  }

  /** By name. */
  models(): RegisteredModel[] {
    return this.#mirror.models();
  }

  model(id: string): RegisteredModel {
    const model = this.#mirror.model(id);
    if (!model)
      throw new ModelNotImportedError(
        id,
        [...this.tree.models()].map(({ name }) => name),
      );
    return model;
  }

  modelSource(modelId: string): ModelSource {
    return sourceOf(this.model(modelId));
  }

  /**
   * Root to leaf; steps that add nothing are left out, as in the path digest. Files that aren't on this machine are
   * fetched.
   */
  async adapterUses(resolved: ResolvedPath): Promise<AdapterUse[]> {
    const uses = resolved.steps.flatMap(({ revision, weight }) =>
      revision === null || weight === 0 ? [] : [this.adapterUse(revision, weight)],
    );
    return Promise.all(uses);
  }

  /** Of one revision, whose files are fetched if they aren't on this machine. */
  async adapterUse(revision: ResolvedRevision, weight: number): Promise<AdapterUse> {
    const [configFile, weightsFile] = await Promise.all([
      this.#blobs.local(revision.configBlob),
      this.#blobs.local(revision.weightsBlob),
    ]);
    return { digest: revision.digest, weight, rank: revision.rank, configFile, weightsFile };
  }

  /** Keeps what the digest stands for. Returns at once. */
  recordServed(resolved: ResolvedPath): void {
    this.#served.note(resolved);
  }

  /**
   * What the caller may be served, models included, each before its children. `after`: path of the last one given out.
   */
  async listServable(
    { caller }: RequestContext,
    page: { limit: number; after: string | null },
  ): Promise<ServableNode[]> {
    const { tree } = this.#mirror;
    const { subtree } = caller;
    if (subtree !== null && !this.#isServed(subtree)) return [];
    const under = subtree === null ? null : tree.pathOf(subtree);
    const found = await this.#walk.take({ ...page, under, enter: isOn });
    return found.map(toServable);
  }

  /** One of them, by its path. Throws as `resolve` does. */
  async findServable(context: RequestContext, path: string): Promise<ServableNode> {
    const { tree } = this.#mirror;
    // Refuses what is missing or disabled.
    const resolved = this.resolve(context, path);
    const [found] = await this.#walk.take({ limit: 1, after: null, under: tree.pathOf(tree.find(path).id) });
    if (!found) throw new PathNotFoundError(resolved.path, []);
    return toServable(found);
  }

  /** A node that lies below one that is off isn't served. */
  #isServed(nodeId: string): boolean {
    const { tree } = this.#mirror;
    for (let node = tree.node(nodeId); node; node = node.parentId === null ? undefined : tree.node(node.parentId)) {
      if (!isOn(node)) return false;
    }
    return tree.node(nodeId) !== undefined;
  }
}

function isOn({ disabled, archived }: NodeRecord): boolean {
  return !disabled && !archived;
}

function toServable({ record, path, row: { createdAt } }: WalkedNode): ServableNode {
  const names = path.split('/');
  return {
    path,
    root: names[0] ?? path,
    parent: record.parentId === null ? null : names.slice(0, -1).join('/'),
    createdAt,
  };
}
