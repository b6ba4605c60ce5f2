/**
 * Adapters by vLLM's routes. Here they don't come and go with the process: loading pushes a revision, which becomes what
 * the node serves, and unloading disables the node, which loses nothing.
 */
import { Inject, Injectable } from '@nestjs/common';
import { isAbsolute } from 'node:path';
import type { RequestContext } from '../../access/request-context.js';
import { mayUse } from '../../access/scope.js';
import { CONFIG, type Config } from '../../config.js';
import { MissingScopeError } from '../../errors/access.js';
import { LoraLoadedError, ModelNotFoundError, UnloadTimeoutError } from '../../errors/completions.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { RootNodeError } from '../../errors/nodes.js';
import { InvalidRequestError } from '../../errors/requests.js';
import type { Receive } from '../../registry/adapter-staging.js';
import { hubReference } from '../../registry/dto/hub.dto.js';
import { HeadsService } from '../../registry/heads.service.js';
import { findNode, plainNames } from '../../registry/node-lookup.js';
import { NodesService } from '../../registry/nodes.service.js';
import { PushSources } from '../../registry/push-sources.js';
import { RegistryService } from '../../registry/registry.service.js';
import { RevisionsService } from '../../registry/revisions.service.js';
import type { NodeRecord } from '../../tree/records.js';
import type { LoadLora, UnloadLora } from '../dto/lora-request.js';
import { RunningNodes } from '../running-nodes.js';
import { InTurn } from './in-turn.js';
import { WarmUp } from './warm-up.js';

@Injectable()
export class LoraService {
  readonly #inTurn = new InTurn();

  constructor(
    private readonly registry: RegistryService,
    private readonly revisions: RevisionsService,
    private readonly sources: PushSources,
    private readonly nodes: NodesService,
    private readonly heads: HeadsService,
    private readonly running: RunningNodes,
    private readonly warmUp: WarmUp,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  load(
    context: RequestContext,
    { lora_name: name, lora_path: path, load_inplace: inPlace }: LoadLora,
  ): Promise<string> {
    return asLoraFields(() =>
      this.#inTurn.run(name, async () => {
        const before = this.#node(context, name);
        const isServed = before !== null && before.headId !== null && !before.disabled;
        if (isServed && !inPlace) throw new LoraLoadedError(name);
        const pushed = await this.revisions.push(context, this.#source(name, path));
        if (!pushed.isHead) {
          if (!mayUse(context.caller, ['promote'])) throw new MissingScopeError(['promote'], context.caller.scopes);
          await this.heads.promote(context, pushed.nodeId, { revision: pushed.id });
        }
        if (before?.disabled) await this.nodes.setDisabled(context, pushed.nodeId, false);
        try {
          await this.warmUp.run(context, pushed.path);
        } catch (error) {
          // What can't be served isn't loaded.
          if (!isServed) await this.nodes.setDisabled(context, pushed.nodeId, true);
          else if (!pushed.isHead) await this.heads.rollback(context, pushed.nodeId);
          throw error;
        }
        return `Success: LoRA adapter '${name}' added successfully.`;
      }),
    );
  }

  /** The signal: of a client that goes away. */
  unload(context: RequestContext, { lora_name: name }: UnloadLora, signal: AbortSignal): Promise<string> {
    return asLoraFields(async () => {
      const node = this.#node(context, name);
      if (!node) throw new ModelNotFoundError(`The lora adapter '${name}' cannot be found.`);
      await this.nodes.setDisabled(context, node.id, true);
      const timeoutMs = this.config.unloadTimeoutMs;
      await this.running.idle(node.id, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
      const left = this.running.count(node.id);
      if (left > 0) throw new UnloadTimeoutError(name, left, timeoutMs);
      return `Success: LoRA adapter '${name}' removed successfully.`;
    });
  }

  #node({ caller }: RequestContext, name: string): NodeRecord | null {
    const names = plainNames(name);
    if (names.length === 1) throw new RootNodeError(name, 'is always loaded, and takes no adapter itself');
    try {
      return findNode(this.registry.tree, names.join('/'), caller);
    } catch (error) {
      if (error instanceof EspalierError && error.code === 'path_not_found') return null;
      throw error;
    }
  }

  #source(path: string, folderOrRepo: string): Receive {
    if (isAbsolute(folderOrRepo)) return this.sources.ofFolder({ path, folder: folderOrRepo });
    const hub = hubReference.safeParse({ repo: folderOrRepo });
    if (hub.success && folderOrRepo.includes('/')) return this.sources.ofHub({ path, hub: hub.data });
    throw new InvalidRequestError(
      'An absolute folder is expected, or a repository of the hub like "organisation/name".',
      'lora_path',
    );
  }
}

const FIELDS: Readonly<Record<string, string>> = {
  path: 'lora_name',
  model: 'lora_name',
  folder: 'lora_path',
  hub: 'lora_path',
};

/** Errors of the fields that stand behind these. */
async function asLoraFields<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const field = error instanceof EspalierError ? FIELDS[error.param ?? ''] : undefined;
    if (!(error instanceof EspalierError) || field === undefined) throw error;
    throw EspalierError.from({ ...error.toShape(), param: field });
  }
}
