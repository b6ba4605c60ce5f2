/** What was opened before Nest began, for injection everywhere. */
import { Global, Module, type DynamicModule } from '@nestjs/common';
import { ApiKeys } from './access/api-keys.js';
import { RateLimits } from './access/rate-limits.js';
import { CONFIG, type Config } from './config.js';
import { Database } from './database/database.js';
import { ENGINE, type EngineClient } from './engine/engine-client.js';
import { Lifecycle } from './http/lifecycle.js';
import { LOGGER, type Logger } from './logger.js';
import { BlobStore } from './storage/blob-store.js';

export interface Platform {
  config: Config;
  logger: Logger;
  lifecycle: Lifecycle;
  database: Database;
  blobs: BlobStore;
  engine: EngineClient;
  keys: ApiKeys;
  limits: RateLimits;
}

@Global()
@Module({})
export class PlatformModule {
  static of({ config, logger, lifecycle, database, blobs, engine, keys, limits }: Platform): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: config },
      { provide: LOGGER, useValue: logger },
      { provide: ENGINE, useValue: engine },
      { provide: Lifecycle, useValue: lifecycle },
      { provide: Database, useValue: database },
      { provide: BlobStore, useValue: blobs },
      { provide: ApiKeys, useValue: keys },
      { provide: RateLimits, useValue: limits },
    ];
    return { module: PlatformModule, providers, exports: providers.map(({ provide }) => provide) };
  }
}
