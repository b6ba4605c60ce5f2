import { Args, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { searchQuery, type FoundNodeDto } from '../../registry/search/search.dto.js';
import { SearchService } from '../../registry/search/search.service.js';
import { pageOf, parse, toConnection, withoutNulls, type Connection, type Edge, type Forward } from '../connection.js';

/** As GraphQL lets it in. */
interface NodeSearch {
  metrics?: { name: string; min?: number | null; max?: number | null }[] | null;
  tags?: string[] | null;
  stale?: boolean | null;
  archived?: boolean | null;
  sort?: { by: string; metric?: string | null; descending?: boolean | null } | null;
}

@Resolver('FoundNodeEdge')
export class SearchResolver {
  constructor(private readonly service: SearchService) {}

  @Query()
  @RequireScope('read')
  async search(
    @Context() context: RequestContext,
    @Args() { search, ...page }: Forward & { search?: NodeSearch | null },
  ): Promise<Connection<FoundNodeDto>> {
    const { limit, cursor } = pageOf(page);
    const query = parse(searchQuery, { ...asOverRest(search ?? {}), limit, cursor });
    return toConnection(await this.service.search(context, query), query);
  }

  /** Of the node's head. */
  @ResolveField()
  metrics(@Parent() { node }: Edge<FoundNodeDto>): object[] {
    return Object.entries(node.metrics).map(([name, value]) => ({ name, value }));
  }
}

/** The parameters of the same search over REST, so that one schema checks both. */
function asOverRest({ metrics, tags, stale, archived, sort, ...rest }: NodeSearch): object {
  return withoutNulls({
    ...rest,
    tag: tags ?? [],
    metric: (metrics ?? []).map(({ name, min, max }) => `${name}:${min ?? ''}..${max ?? ''}`),
    stale: stale == null ? null : String(stale),
    archived: archived == null ? null : String(archived),
    sort: sort == null ? null : sort.by === 'metric' ? `metric:${sort.metric ?? ''}` : sort.by,
    order: sort?.descending === true ? 'desc' : 'asc',
  });
}
