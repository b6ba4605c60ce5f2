/** Whether the service can do its work now, and if not, why. */
import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Database } from '../database/database.js';
import { ENGINE, type EngineClient } from '../engine/engine-client.js';
import { Lifecycle } from '../http/lifecycle.js';
import { RegistryService } from '../registry/registry.service.js';
import { BlobStore } from '../storage/blob-store.js';

/** A folder of another machine that is away may not answer at all. */
const BLOBS_TIMEOUT_MS = 2_000;

/** For strangers too, so it counts models and names none. */
export const readinessSchema = z
  .object({
    status: z.enum(['ready', 'not_ready']),
    reasons: z.array(z.string()).describe('In words; empty when ready.'),
    database: z.enum(['up', 'down']),
    blobs: z.enum(['up', 'down']).describe('Whether adapters can be pushed; what the engine holds is served without.'),
    engine: z.string(),
    models: z
      .object({ imported: z.number(), loaded: z.number() })
      .describe(
        "One that isn't loaded is loaded by the first request that needs it: no reason to send requests elsewhere.",
      ),
  })
  .meta({ id: 'Readiness' });
export type Readiness = z.infer<typeof readinessSchema>;

@Injectable()
export class ReadinessCheck {
  readonly #database: Database;
  readonly #blobs: BlobStore;
  readonly #engine: EngineClient;
  readonly #lifecycle: Lifecycle;
  readonly #registry: RegistryService;

  constructor(
    database: Database,
    blobs: BlobStore,
    @Inject(ENGINE) engine: EngineClient,
    lifecycle: Lifecycle,
    registry: RegistryService,
  ) {
    this.#database = database;
    this.#blobs = blobs;
    this.#engine = engine;
    this.#lifecycle = lifecycle;
    this.#registry = registry;
  }

  async check(): Promise<Readiness> {
    const [database, blobs] = await Promise.all([this.#databaseAnswers(), this.#blobsAnswer()]);
    const { state, loadedModels } = this.#engine;
    const models = this.#registry.models();
    const reasons: string[] = [];
    if (this.#lifecycle.stopping) reasons.push('The service is stopping.');
    if (!database) reasons.push('The database does not answer.');
    if (!blobs) reasons.push('The blob store does not answer, or nothing can be written to it.');
    if (state !== 'ready') reasons.push(`The engine is ${state}.`);
    return {
      status: reasons.length === 0 ? 'ready' : 'not_ready',
      reasons,
      database: database ? 'up' : 'down',
      blobs: blobs ? 'up' : 'down',
      engine: state,
      models: {
        imported: models.length,
        loaded: models.filter(({ digest }) => loadedModels.has(digest)).length,
      },
    };
  }

  async #databaseAnswers(): Promise<boolean> {
    try {
      await this.#database.ping();
      return true;
    } catch {
      return false;
    }
  }

  async #blobsAnswer(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), BLOBS_TIMEOUT_MS);
    });
    const answer = this.#blobs.check().then(
      () => true,
      () => false,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
