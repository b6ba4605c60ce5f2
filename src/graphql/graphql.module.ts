/** The registry over GraphQL: the same services as over REST, in the schema of `schema.graphql`. */
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { CONFIG } from '../config.js';
import { LOGGER } from '../logger.js';
import { BatchReads } from '../registry/batch-reads.js';
import { CompareModule } from '../registry/compare/compare.module.js';
import { RegistryModule } from '../registry/registry.module.js';
import { SearchModule } from '../registry/search/search.module.js';
import { apolloOptions } from './apollo-options.js';
import { AliasesResolver } from './resolvers/aliases.resolver.js';
import { AuditResolver } from './resolvers/audit.resolver.js';
import { ComparisonResolver } from './resolvers/comparison.resolver.js';
import { GarbageResolver } from './resolvers/garbage.resolver.js';
import { HistoryResolver } from './resolvers/history.resolver.js';
import { KeysResolver } from './resolvers/keys.resolver.js';
import { LineageResolver } from './resolvers/lineage.resolver.js';
import { MergesResolver } from './resolvers/merges.resolver.js';
import { ModelsResolver } from './resolvers/models.resolver.js';
import { NodeChangesResolver } from './resolvers/node-changes.resolver.js';
import { NodesResolver } from './resolvers/nodes.resolver.js';
import { PlacesResolver } from './resolvers/places.resolver.js';
import { PushesResolver } from './resolvers/pushes.resolver.js';
import { RecallResolver } from './resolvers/recall.resolver.js';
import { ResolutionResolver } from './resolvers/resolution.resolver.js';
import { RevisionsResolver } from './resolvers/revisions.resolver.js';
import { SearchResolver } from './resolvers/search.resolver.js';
import { StaleResolver } from './resolvers/stale.resolver.js';
import { ChangeResolver, SubscriptionsResolver } from './resolvers/subscriptions.resolver.js';
import { SocketServer } from './subscriptions/socket-server.js';
import { VisibleChanges } from './subscriptions/visible-changes.js';
import { TreePages } from './tree-pages.js';

@Module({
  imports: [
    RegistryModule,
    CompareModule,
    SearchModule,
    GraphQLModule.forRootAsync<ApolloDriverConfig>({
      driver: ApolloDriver,
      imports: [RegistryModule],
      inject: [CONFIG, LOGGER, BatchReads],
      useFactory: apolloOptions,
    }),
  ],
  providers: [
    AliasesResolver,
    AuditResolver,
    ChangeResolver,
    ComparisonResolver,
    GarbageResolver,
    HistoryResolver,
    KeysResolver,
    LineageResolver,
    MergesResolver,
    ModelsResolver,
    NodeChangesResolver,
    NodesResolver,
    PlacesResolver,
    PushesResolver,
    RecallResolver,
    ResolutionResolver,
    RevisionsResolver,
    SearchResolver,
    SocketServer,
    StaleResolver,
    SubscriptionsResolver,
    TreePages,
    VisibleChanges,
  ],
})
export class GraphqlModule {}
