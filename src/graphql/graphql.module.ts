/** The registry over GraphQL: the same services as over REST, in the schema of `schema.graphql`. */
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { CONFIG } from '../config.js';
import { LOGGER } from '../logger.js';
import { BatchReads } from '../registry/batch-reads.js';
import { RegistryModule } from '../registry/registry.module.js';
import { apolloOptions } from './apollo-options.js';
import { KeysResolver } from './resolvers/keys.resolver.js';
import { ModelsResolver } from './resolvers/models.resolver.js';
import { NodeChangesResolver } from './resolvers/node-changes.resolver.js';
import { NodesResolver } from './resolvers/nodes.resolver.js';
import { PlacesResolver } from './resolvers/places.resolver.js';
import { ResolutionResolver } from './resolvers/resolution.resolver.js';
import { RevisionsResolver } from './resolvers/revisions.resolver.js';
import { ChangeResolver, SubscriptionsResolver } from './resolvers/subscriptions.resolver.js';
import { SocketServer } from './subscriptions/socket-server.js';
import { VisibleChanges } from './subscriptions/visible-changes.js';
import { TreePages } from './tree-pages.js';

@Module({
  imports: [
    RegistryModule,
    GraphQLModule.forRootAsync<ApolloDriverConfig>({
      driver: ApolloDriver,
      imports: [RegistryModule],
      inject: [CONFIG, LOGGER, BatchReads],
      useFactory: apolloOptions,
    }),
  ],
  providers: [
    ChangeResolver,
    KeysResolver,
    ModelsResolver,
    NodeChangesResolver,
    NodesResolver,
    PlacesResolver,
    ResolutionResolver,
    RevisionsResolver,
    SocketServer,
    SubscriptionsResolver,
    TreePages,
    VisibleChanges,
  ],
})
export class GraphqlModule {}
