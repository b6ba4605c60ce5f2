/** Two nodes or revisions side by side. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import { Database } from '../../database/database.js';
import { BlobStore } from '../../storage/blob-store.js';
import type { RevisionRecord } from '../../tree/records.js';
import { targetsSchema } from '../dto/revision.dto.js';
import { RegistryService } from '../registry.service.js';
import { AdapterDistances } from './adapter-distances.js';
import { comparedModules, totalOf } from './compared-modules.js';
import { comparedNode, lineageOf, type ComparedNode } from './compared-node.js';
import type { ComparedSide, CompareQuery, ComparisonDto } from './comparison.dto.js';
import type { ComparedAdapter, Distances } from './distances.worker.js';

@Injectable()
export class CompareService {
  constructor(
    private readonly database: Database,
    private readonly registry: RegistryService,
    private readonly blobs: BlobStore,
    private readonly distances: AdapterDistances,
  ) {}

  async compare(context: RequestContext, query: CompareQuery): Promise<ComparisonDto> {
    const left = comparedNode(this.registry.tree, query.left, context.caller);
    const right = comparedNode(this.registry.tree, query.right, context.caller);
    const [leftRow, rightRow] = await Promise.all([this.#row(left.revision), this.#row(right.revision)]);
    const { distances, unmeasured } = await this.#measure(left, right);
    const models = [left, right].map(({ node }) => this.registry.model(node.modelId).config);
    const targets = [leftRow, rightRow].map((row) => targetsSchema.parse(row?.targets ?? {}));
    const modules = comparedModules(models, targets[0] ?? {}, targets[1] ?? {}, distances);
    return {
      left: this.#side(context, left, leftRow),
      right: this.#side(context, right, rightRow),
      modules,
      total: totalOf(modules, distances !== null),
      unmeasured,
      metrics: metricsOf(leftRow, rightRow),
    };
  }

  async #row(revision: RevisionRecord | null): Promise<ComparedRow | null> {
    if (revision === null) return null;
    return this.database.client.revision.findUniqueOrThrow({
      where: { id: revision.id },
      select: { targets: true, message: true, author: true, tags: true, createdAt: true, metrics: true },
    });
  }

  async #measure(
    left: ComparedNode,
    right: ComparedNode,
  ): Promise<{ distances: Distances; unmeasured: ComparisonDto['unmeasured'] }> {
    if (!left.revision || !right.revision) return { distances: null, unmeasured: 'no_revision' };
    const model = this.registry.model(left.node.modelId);
    if (model.digest !== this.registry.model(right.node.modelId).digest) {
      return { distances: null, unmeasured: 'other_model' };
    }
    const distances = await this.distances.between({
      left: await this.#adapter(left.revision),
      right: await this.#adapter(right.revision),
      base: { config: model.config, origins: [] },
    });
    return { distances, unmeasured: distances === null ? 'too_large' : null };
  }

  async #adapter({ digest, configBlob, weightsBlob }: RevisionRecord): Promise<ComparedAdapter> {
    return {
      digest,
      configFile: await this.blobs.local(configBlob),
      weightsFile: await this.blobs.local(weightsBlob),
    };
  }

  #side({ caller }: RequestContext, compared: ComparedNode, row: ComparedRow | null): ComparedSide {
    const { tree } = this.registry;
    const { node, revision } = compared;
    const aliases = tree.aliases(node.id).filter(({ revisionId }) => revisionId === revision?.id);
    return {
      node: { id: node.id, path: tree.pathOf(node.id) },
      model: this.registry.model(node.modelId).name,
      revision: revision && row ? shownRevision(revision, row, node.headId) : null,
      tags: row?.tags ?? [],
      aliases: aliases.map(({ name }) => name).sort(),
      lineage: lineageOf(tree, compared, caller),
    };
  }
}

/** What only the database knows of a revision. */
interface ComparedRow {
  targets: unknown;
  message: string | null;
  author: string | null;
  tags: string[];
  createdAt: Date;
  metrics: readonly { name: string; value: number }[];
}

function shownRevision(revision: RevisionRecord, row: ComparedRow, headId: string | null): ComparedSide['revision'] {
  const { id, number, digest, rank, bytes, recalled } = revision;
  const { message, author, createdAt } = row;
  const isHead = id === headId;
  return { id, number, digest, rank, bytes, message, author, isHead, recalled, createdAt: createdAt.toISOString() };
}

/** Of either, by name. */
function metricsOf(left: ComparedRow | null, right: ComparedRow | null): ComparisonDto['metrics'] {
  const [one, other] = [left, right].map((row) => new Map(row?.metrics.map(({ name, value }) => [name, value])));
  const names = new Set([...(one?.keys() ?? []), ...(other?.keys() ?? [])]);
  return [...names].sort().map((name) => ({ name, left: one?.get(name) ?? null, right: other?.get(name) ?? null }));
}
