import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { AccessGuard } from './access/access.guard.js';
import { CompletionsModule } from './completions/completions.module.js';
import { GraphqlModule } from './graphql/graphql.module.js';
import { ErrorFilter } from './http/error-filter.js';
import { validationPipe } from './http/validation.js';
import { VersionTag } from './http/version-tag.js';
import { LOGGER } from './logger.js';
import { ObservabilityModule } from './observability/observability.module.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { PlatformModule, type Platform } from './platform.module.js';
import { CompareModule } from './registry/compare/compare.module.js';
import { ExchangeModule } from './registry/exchange/exchange.module.js';
import { RegistryModule } from './registry/registry.module.js';
import { SearchModule } from './registry/search/search.module.js';

@Module({
  providers: [
    { provide: APP_GUARD, useClass: AccessGuard },
    { provide: APP_INTERCEPTOR, useClass: VersionTag },
    { provide: APP_PIPE, useFactory: validationPipe },
    { provide: APP_FILTER, useFactory: (logger: Platform['logger']) => new ErrorFilter(logger), inject: [LOGGER] },
  ],
})
export class AppModule {
  static on(platform: Platform): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.of(platform),
        RegistryModule,
        ExchangeModule,
        CompareModule,
        SearchModule,
        GraphqlModule,
        CompletionsModule,
        ObservabilityModule,
        OpenApiModule,
      ],
    };
  }
}
