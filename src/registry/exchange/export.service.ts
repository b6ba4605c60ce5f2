/** A resolved path as one PEFT adapter, for those who may read every adapter that is in it. */
import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { RequestContext } from '../../access/request-context.js';
import { ExportForbiddenError, NothingToExportError } from '../../errors/exports.js';
import type { OfferedFile } from '../../http/offered-file.js';
import type { ResolvedPath } from '../../tree/resolved-path.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../adapter-staging.js';
import { isVisible } from '../node-lookup.js';
import type { RegisteredModel } from '../registered-model.js';
import { RegistryService } from '../registry.service.js';
import { ExportWriter, type Export } from './export-writer.js';

/** `organisation/name` on the Hugging Face hub. */
const HUB_ID = /^[\w.-]+\/[\w.-]+$/;

@Injectable()
export class ExportService {
  constructor(
    private readonly registry: RegistryService,
    private readonly writer: ExportWriter,
  ) {}

  /** adapter_config.json */
  async config(context: RequestContext, path: string): Promise<OfferedFile> {
    const resolved = this.#resolve(context, path);
    const text = Buffer.from(await this.writer.config(await this.#export(resolved)));
    return {
      ...offer(ADAPTER_CONFIG, 'application/json; charset=utf-8', resolved),
      // It names the base, of which the path digest knows nothing.
      etag: createHash('sha256').update(text).digest('hex'),
      open: () =>
        Promise.resolve({
          bytes: text.length,
          stream: () => Readable.from([text]),
          hasParts: false,
          discard: () => undefined,
        }),
    };
  }

  /** adapter_model.safetensors */
  weights(context: RequestContext, path: string): OfferedFile {
    const resolved = this.#resolve(context, path);
    return {
      ...offer(ADAPTER_WEIGHTS, 'application/octet-stream', resolved),
      etag: resolved.digest,
      open: async () => {
        const { bytes, stream } = await this.writer.weights(await this.#export(resolved));
        return { bytes, stream: () => stream, hasParts: false, discard: () => stream.destroy() };
      },
    };
  }

  #resolve(context: RequestContext, path: string): ResolvedPath {
    const { tree } = this.registry;
    const { caller } = context;
    const resolved = this.registry.resolve(context, path);
    const steps = resolved.steps.filter(({ revision, weight }) => revision !== null && weight !== 0);
    if (steps.length === 0) throw new NothingToExportError(resolved.path);
    if (caller.subtree !== null && steps.some(({ nodeId }) => !isVisible(tree, caller, nodeId))) {
      throw new ExportForbiddenError(resolved.path, tree.pathOf(caller.subtree));
    }
    return resolved;
  }

  async #export(resolved: ResolvedPath): Promise<Export> {
    const model = this.registry.model(resolved.model.id);
    return {
      steps: await this.registry.adapterUses(resolved),
      base: { config: model.config, origins: [] },
      pathDigest: resolved.digest,
      baseModel: baseNameOf(model),
    };
  }
}

function offer(name: string, type: string, { digest }: ResolvedPath): Omit<OfferedFile, 'etag' | 'open'> {
  return { name, type, headers: { 'x-espalier-path-digest': digest } };
}

/** What others can load it by, or else what it is called here. */
function baseNameOf({ name, origins }: RegisteredModel): string {
  return origins.find((origin) => HUB_ID.test(origin)) ?? name;
}
