/** One token on a path: afterwards its model and adapters are loaded, and known to compute finite numbers. */
import { Inject, Injectable } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import type { RequestContext } from '../../access/request-context.js';
import { ENGINE, type EngineClient } from '../../engine/engine-client.js';
import { GREEDY } from '../../engine/protocol.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { RegistryService } from '../../registry/registry.service.js';

/** A model that is loaded for the first time takes its time. */
const TIMEOUT_MS = 120_000;
/** They say nothing of the path, whose first request will load it. */
const PASSING = new Set(['overloaded', 'engine_restarting', 'engine_stopping']);

@Injectable()
export class WarmUp {
  constructor(
    private readonly registry: RegistryService,
    @Inject(ENGINE) private readonly engine: EngineClient,
  ) {}

  /** Throws why the path can't be served. */
  async run(context: RequestContext, path: string): Promise<void> {
    const resolved = this.registry.resolve(context, path);
    const request = {
      id: `load-${randomUUID()}`,
      model: this.registry.modelSource(resolved.model.id),
      adapters: await this.registry.adapterUses(resolved),
      pathDigest: resolved.digest,
      prompt: [0],
      maxTokens: 1,
      stopTokenIds: [],
      minTokens: 0,
      sampling: GREEDY,
      logprobs: null,
      scoreFrom: null,
    };
    try {
      // eslint-disable-next-line @typescript-eslint/no-unused-vars -- What it says is of no use.
      for await (const _output of this.engine.generate(request, AbortSignal.timeout(TIMEOUT_MS)));
    } catch (error) {
      if (!(error instanceof EspalierError) || !PASSING.has(error.code)) throw error;
    }
  }
}
