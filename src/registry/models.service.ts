/** Base models: imported once, never changed, listed. */
import { Injectable } from '@nestjs/common';
import { rm } from 'node:fs/promises';
import pLimit from 'p-limit';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { requireWholeRegistry } from '../access/scope.js';
import type { RequestContext } from '../access/request-context.js';
import { Database } from '../database/database.js';
import { DatabaseUnavailableError } from '../errors/database.js';
import { ModelExistsError, ModelNotImportedError } from '../errors/models.js';
import { PathSyntaxError } from '../errors/paths.js';
import { BlobVanishedError } from '../errors/storage.js';
import { quantizationOf, type Quantization } from '../formats/quantization/scheme.js';
import { parsePath } from '../tree/path.js';
import { toModelDto, type ImportedModelDto, type ImportModel, type ModelDto } from './dto/model.dto.js';
import { cursorKey, toPage, type Page, type PageQuery } from './dto/page.js';
import { ImportFolders } from './import-folders.js';
import {
  importCheckpoint,
  isIntact,
  type ImportedCheckpoint,
  type ImportOptions,
} from './importer/import-checkpoint.js';
import { Quantizer } from './importer/quantizer.js';
import { ModelFolders } from './model-folders.js';
import { isVisible } from './node-lookup.js';
import { toNodeRecord, toRegisteredModel } from './records-of-rows.js';
import { RegistryWrites } from './registry-writes.js';
import { TreeMirror } from './tree-mirror.js';

/** Below the data folder. */
export const MODELS_FOLDER = 'models';

const MODEL_NAME = /^[a-z0-9._-]+$/;

@Injectable()
export class ModelsService {
  /** Imports take disk and time; two of the same checkpoint would race for one folder. */
  readonly #oneAtATime = pLimit(1);
  /** Absolute. */
  readonly #models: string;

  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
    private readonly folders: ImportFolders,
    private readonly modelFolders: ModelFolders,
    private readonly quantizer: Quantizer,
  ) {
    this.#models = modelFolders.root;
  }

  /** `onProgress`: told how far it is, as often as that changes. */
  import(
    context: RequestContext,
    request: ImportModel,
    onProgress?: ImportOptions['onProgress'],
  ): Promise<ImportedModelDto> {
    requireWholeRegistry(context);
    requireModelName(request.name);
    return this.#oneAtATime(() => this.#import(context, request, onProgress));
  }

  /** A key that is bound to a subtree sees the model alone whose root that is. */
  async list({ caller }: RequestContext, { limit, cursor }: PageQuery): Promise<Page<ModelDto>> {
    const own = caller.subtree === null ? {} : { nodes: { some: { id: caller.subtree, parentId: null } } };
    const after = cursorKey(cursor, MODEL_NAME);
    const rows = await this.database.client.model.findMany({
      where: { ...own, ...(after === null ? {} : { name: { gt: after } }) },
      orderBy: { name: 'asc' },
      take: limit + 1,
    });
    return toPage(
      rows,
      limit,
      ({ name }) => name,
      (row) => toModelDto(row, this.#rootOf(row.name)),
    );
  }

  async get({ caller }: RequestContext, name: string): Promise<ModelDto> {
    const visible = this.mirror.models().filter(({ rootNodeId }) => isVisible(this.mirror.tree, caller, rootNodeId));
    const isKnown = visible.some((model) => model.name === name);
    const row = isKnown ? await this.database.client.model.findUnique({ where: { name } }) : null;
    if (!row) {
      throw new ModelNotImportedError(name, visible.map((model) => model.name).slice(0, 20));
    }
    return toModelDto(row, this.#rootOf(name));
  }

  async #import(
    context: RequestContext,
    { name, folder, link, quantize }: ImportModel,
    onProgress: ImportOptions['onProgress'],
  ): Promise<ImportedModelDto> {
    const source = await this.folders.folder(folder);
    const existing = this.mirror.tree.model(name);
    const quantization = quantize === undefined ? null : quantizationOf(quantize);
    const imported = await importCheckpoint(source, this.#models, {
      locate: (from, file) => this.folders.file(from, file),
      hardLink: link,
      quantization,
      quantize: (into, scheme, onBytes) => this.quantizer.quantize(into, scheme, onBytes),
      onProgress,
      admit: (digest) => {
        if (existing && existing.digest !== digest) throw new ModelExistsError(name, existing.digest, digest);
      },
    });
    if (existing) return { ...(await this.get(context, name)), unchanged: true };
    try {
      return { ...(await this.#record(context, name, quantization, imported)), unchanged: false };
    } catch (error) {
      // After an outage it may be recorded all the same, and its files must stay.
      const isOpen = error instanceof DatabaseUnavailableError;
      if (imported.placed && !isOpen) await this.#removeUnlessRecorded(imported.digest).catch(() => undefined);
      throw error;
    }
  }

  /** Under the lock, because under another name, or by another instance, the same files may be recorded. */
  #removeUnlessRecorded(digest: string): Promise<void> {
    return this.writes.exclusively(async (transaction) => {
      if ((await transaction.model.count({ where: { digest } })) > 0) return;
      await rm(join(this.#models, digest), { recursive: true, force: true });
    });
  }

  #record(
    context: RequestContext,
    name: string,
    quantization: Quantization | null,
    { digest, bytes, checkpoint }: ImportedCheckpoint,
  ): Promise<ModelDto> {
    const folder = `${MODELS_FOLDER}/${digest}`;
    return this.writes.commit(context, async (transaction) => {
      if (!(await isIntact(join(this.#models, digest)))) throw new BlobVanishedError('the model');
      const row = await transaction.model.create({
        data: {
          id: ulid(),
          name,
          digest,
          modelType: checkpoint.config.modelType,
          config: { ...checkpoint.config },
          origins: [...new Set([...checkpoint.origins, name])],
          folder,
          parameters: BigInt(checkpoint.parameters),
          bytes: BigInt(bytes),
          warnings: checkpoint.warnings,
          quantization,
        },
      });
      const root = await transaction.node.create({ data: { id: ulid(), modelId: row.id, parentId: null, name } });
      return {
        result: toModelDto(row, root.id),
        change: {
          models: [toRegisteredModel(row, root.id, join(this.modelFolders.root, digest))],
          nodes: [toNodeRecord(root)],
        },
        audit: [
          { action: 'model.import', nodeId: root.id, path: name, before: null, after: { digest, bytes, quantization } },
        ],
      };
    });
  }

  #rootOf(name: string): string {
    return this.mirror.tree.model(name)?.rootNodeId ?? '';
  }
}

function requireModelName(name: string): void {
  if (parsePath(name).segments.length > 0) {
    throw new PathSyntaxError(name, 'a model is the first segment of its paths, and has no "/" in its name.');
  }
}
