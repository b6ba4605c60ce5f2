/** What the rest of the service asks of the registry: paths, what they mean, and where their bytes lie. */
import { Injectable } from '@nestjs/common';
import type { AdapterUse, ModelSource } from '../engine/protocol.js';
import { ModelNotImportedError, PathNotFoundError } from '../errors.js';
import { BlobStore } from '../storage/blob-store.js';
import type { AdapterTree } from '../tree/adapter-tree.js';
import type { ResolvedPath } from '../tree/resolved-path.js';
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

  /** Throws `path_not_found` with the nearest names, `invalid_path`, `revision_not_found`, `node_disabled`. */
  resolve(path: string): ResolvedPath {
    return this.#mirror.tree.resolve(path);
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

  /** Root to leaf; steps that add nothing are left out, as in the path digest. */
  adapterUses(resolved: ResolvedPath): AdapterUse[] {
    return resolved.steps.flatMap(({ revision, weight }) =>
      revision === null || weight === 0
        ? []
        : [
            {
              digest: revision.digest,
              weight,
              rank: revision.rank,
              configFile: this.#blobs.path(revision.configBlob),
              weightsFile: this.#blobs.path(revision.weightsBlob),
            },
          ],
    );
  }

  /** Keeps what the digest stands for. Returns at once. */
  recordServed(resolved: ResolvedPath): void {
    this.#served.note(resolved);
  }

  /** Enabled nodes, models included, each before its children. `after`: path of the last one given out. */
  async listServable(page: { limit: number; after: string | null }): Promise<ServableNode[]> {
    const found = await this.#walk.take({ ...page, under: null, enter: ({ disabled }) => !disabled });
    return found.map(toServable);
  }

  /** One of them, by its path. Throws as `resolve` does. */
  async findServable(path: string): Promise<ServableNode> {
    const { tree } = this.#mirror;
    // Refuses what is missing or disabled.
    const resolved = tree.resolve(path);
    const [found] = await this.#walk.take({ limit: 1, after: null, under: tree.pathOf(tree.find(path).id) });
    if (!found) throw new PathNotFoundError(resolved.path, []);
    return toServable(found);
  }
}

function toServable({ record, path, createdAt }: WalkedNode): ServableNode {
  const names = path.split('/');
  return {
    path,
    root: names[0] ?? path,
    parent: record.parentId === null ? null : names.slice(0, -1).join('/'),
    createdAt,
  };
}
