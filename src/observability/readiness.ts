/** Whether the service can do its work now, and if not, why. */
import { Inject, Injectable } from '@nestjs/common';
import { Database } from '../database/database.js';
import { ENGINE, type EngineClient } from '../engine/engine-client.js';
import { Lifecycle } from '../http/lifecycle.js';
import { RegistryService } from '../registry/registry.service.js';

export interface Readiness {
  status: 'ready' | 'not_ready';
  /** In words; empty when ready. */
  reasons: string[];
  database: 'up' | 'down';
  engine: string;
  models: { name: string; loaded: boolean }[];
}

@Injectable()
export class ReadinessCheck {
  readonly #database: Database;
  readonly #engine: EngineClient;
  readonly #lifecycle: Lifecycle;
  readonly #registry: RegistryService;

  constructor(
    database: Database,
    @Inject(ENGINE) engine: EngineClient,
    lifecycle: Lifecycle,
    registry: RegistryService,
  ) {
    this.#database = database;
    this.#engine = engine;
    this.#lifecycle = lifecycle;
    this.#registry = registry;
  }

  async check(): Promise<Readiness> {
    const database = await this.#databaseAnswers();
    const { state, loadedModels } = this.#engine;
    const reasons: string[] = [];
    if (this.#lifecycle.stopping) reasons.push('The service is stopping.');
    if (!database) reasons.push('The database does not answer.');
    if (state !== 'ready') reasons.push(`The engine is ${state}.`);
    return {
      status: reasons.length === 0 ? 'ready' : 'not_ready',
      reasons,
      database: database ? 'up' : 'down',
      engine: state,
      // One that isn't loaded is loaded by the first request that needs it: no reason to send requests elsewhere.
      models: this.#registry.models().map(({ name, digest }) => ({ name, loaded: loadedModels.has(digest) })),
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
}
