import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import {
  createKeyBody,
  rotateKeyBody,
  updateKeyBody,
  type KeyDto,
  type NewKeyDto,
} from '../../registry/keys/key.dto.js';
import { KeysService } from '../../registry/keys/keys.service.js';
import { pageOf, parse, toConnection, type Connection, type Forward } from '../connection.js';
import { outcome, type Result } from '../outcome.js';

interface Change {
  key: string;
  expectedVersion?: number | null;
}

/** The text of a new key, beside what is kept of it. */
interface NewKey {
  key: KeyDto;
  text: string;
}

@Resolver()
@RequireScope('admin')
export class KeysResolver {
  constructor(private readonly service: KeysService) {}

  @Query()
  async keys(
    @Context() context: RequestContext,
    @Args() { revoked, ...page }: Forward & { revoked?: boolean | null },
  ): Promise<Connection<KeyDto>> {
    const query = { ...pageOf(page), revoked: revoked ?? false };
    return toConnection(await this.service.list(context, query), query);
  }

  @Query()
  key(@Context() context: RequestContext, @Args('id') id: string): Promise<Result<KeyDto>> {
    return outcome({ payload: 'Key' }, () => this.service.get(context, id));
  }

  @Mutation()
  createKey(@Context() context: RequestContext, @Args('input') input: unknown): Promise<Result<NewKey>> {
    return made(() => this.service.create(context, parse(createKeyBody, input)));
  }

  @Mutation()
  updateKey(
    @Context() context: RequestContext,
    @Args() { key, input, expectedVersion }: Change & { input: unknown },
  ): Promise<Result<{ key: KeyDto }>> {
    return changed(() => this.service.update(context, key, parse(updateKeyBody, input), expectedVersion ?? undefined));
  }

  @Mutation()
  rotateKey(
    @Context() context: RequestContext,
    @Args() { key, expectedVersion, overlapSeconds }: Change & { overlapSeconds?: number | null },
  ): Promise<Result<NewKey>> {
    const body = { overlapSeconds: overlapSeconds ?? undefined };
    return made(() => this.service.rotate(context, key, parse(rotateKeyBody, body), expectedVersion ?? undefined));
  }

  @Mutation()
  revokeKey(
    @Context() context: RequestContext,
    @Args() { key, expectedVersion }: Change,
  ): Promise<Result<{ key: KeyDto }>> {
    return changed(() => this.service.revoke(context, key, expectedVersion ?? undefined));
  }
}

function changed(work: () => Promise<KeyDto>): Promise<Result<{ key: KeyDto }>> {
  return outcome({ payload: 'KeyPayload', changes: 'Key' }, async () => ({ key: await work() }));
}

function made(work: () => Promise<NewKeyDto>): Promise<Result<NewKey>> {
  return outcome({ payload: 'NewKeyPayload', changes: 'Key' }, async () => {
    const { key: text, ...key } = await work();
    return { key, text };
  });
}
