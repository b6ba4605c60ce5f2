import { Args, Mutation, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { importModelBody, type ModelDto } from '../../registry/dto/model.dto.js';
import type { NodeDto } from '../../registry/dto/node.dto.js';
import { ModelsService } from '../../registry/models.service.js';
import { pageOf, parse, toConnection, type Connection, type Forward } from '../connection.js';
import { Load } from '../graphql-context.js';
import type { Loaders } from '../loaders.js';
import { outcome, type Result } from '../outcome.js';

@Resolver('Model')
export class ModelsResolver {
  constructor(private readonly service: ModelsService) {}

  @Query()
  @RequireScope('read')
  async models(@Context() context: RequestContext, @Args() page: Forward): Promise<Connection<ModelDto>> {
    const query = pageOf(page);
    return toConnection(await this.service.list(context, query), query);
  }

  @Query()
  @RequireScope('read')
  model(@Context() context: RequestContext, @Args('name') name: string): Promise<Result<ModelDto>> {
    return outcome({ payload: 'Model' }, () => this.service.get(context, name));
  }

  @Mutation()
  @RequireScope('admin')
  importModel(
    @Context() context: RequestContext,
    @Args('input') input: unknown,
  ): Promise<Result<{ model: ModelDto; unchanged: boolean }>> {
    return outcome({ payload: 'ImportModelPayload' }, async () => {
      const model = await this.service.import(context, parse(importModelBody, input));
      return { model, unchanged: model.unchanged };
    });
  }

  @ResolveField()
  root(@Parent() { rootNodeId }: ModelDto, @Load() { nodes }: Loaders): Promise<NodeDto | null> {
    return nodes.load(rootNodeId);
  }
}
