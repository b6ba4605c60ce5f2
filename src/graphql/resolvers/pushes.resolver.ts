/** The pushes that name where the files are: bytes themselves are uploaded over REST. */
import { Args, Mutation, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import type { Receive } from '../../registry/adapter-staging.js';
import { pushFolderBody, pushHubBody, type PushedRevisionDto } from '../../registry/dto/revision.dto.js';
import { PushSources } from '../../registry/push-sources.js';
import { RevisionsService } from '../../registry/revisions.service.js';
import { parse } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

interface Push {
  metrics?: { name: string; value: number }[] | null;
}

type PushResult = Promise<Result<{ revision: PushedRevisionDto; unchanged: boolean }>>;

@Resolver()
@RequireScope('write')
export class PushesResolver {
  constructor(
    private readonly revisions: RevisionsService,
    private readonly sources: PushSources,
  ) {}

  @Mutation()
  pushFromFolder(@Context() context: RequestContext, @Args('input') input: Push): PushResult {
    return this.#push(context, () => this.sources.ofFolder(parse(pushFolderBody, asOverRest(input))));
  }

  @Mutation()
  pushFromHub(@Context() context: RequestContext, @Args('input') input: Push): PushResult {
    return this.#push(context, () => this.sources.ofHub(parse(pushHubBody, asOverRest(input))));
  }

  #push(context: RequestContext, source: () => Receive): PushResult {
    return outcome({ payload: 'PushPayload' }, async () => {
      const revision = await this.revisions.push(context, source());
      return { revision, unchanged: revision.unchanged };
    });
  }
}

/** Metrics are numbers by name there, and a list here, where every field of an object has to be known. */
function asOverRest({ metrics, ...input }: Push): object {
  return {
    ...input,
    ...(metrics ? { metrics: Object.fromEntries(metrics.map(({ name, value }) => [name, value])) } : {}),
  };
}
