import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { Context, type RequestContext } from '../../access/request-context.js';
import { RequireScope } from '../../access/scope.js';
import { Answers } from '../../http/answers.js';
import { IfMatch } from '../../http/version-tag.js';
import { pageSchema, type Page } from '../dto/page.js';
import {
  createKeyBody,
  keySchema,
  listKeysQuery,
  newKeySchema,
  rotateKeyBody,
  updateKeyBody,
  type CreateKey,
  type KeyDto,
  type ListKeys,
  type NewKeyDto,
  type RotateKey,
  type UpdateKey,
} from './key.dto.js';
import { KeysService } from './keys.service.js';

@Controller('api/v1/keys')
@RequireScope('admin')
export class KeysController {
  constructor(private readonly keys: KeysService) {}

  @Post()
  @Answers('Makes an API key. Its text is in this answer and nowhere else.', { 201: newKeySchema })
  create(@Context() context: RequestContext, @Body({ schema: createKeyBody }) body: CreateKey): Promise<NewKeyDto> {
    return this.keys.create(context, body);
  }

  @Get()
  @Answers('Lists the keys that this one manages.', { 200: pageSchema(keySchema) })
  list(@Context() context: RequestContext, @Query({ schema: listKeysQuery }) query: ListKeys): Promise<Page<KeyDto>> {
    return this.keys.list(context, query);
  }

  @Get(':key')
  @Answers('Shows a key.', { 200: keySchema })
  get(@Context() context: RequestContext, @Param('key') key: string): Promise<KeyDto> {
    return this.keys.get(context, key);
  }

  @Patch(':key')
  @Answers('Changes name, scopes, expiry or limits of a key.', { 200: keySchema })
  update(
    @Context() context: RequestContext,
    @Param('key') key: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: updateKeyBody }) body: UpdateKey,
  ): Promise<KeyDto> {
    return this.keys.update(context, key, body, version);
  }

  @Post(':key/rotate')
  @Answers('Makes a new key in place of one, which ends at once or after an overlap.', { 201: newKeySchema })
  rotate(
    @Context() context: RequestContext,
    @Param('key') key: string,
    @IfMatch() version: number | undefined,
    @Body({ schema: rotateKeyBody }) body: RotateKey,
  ): Promise<NewKeyDto> {
    return this.keys.rotate(context, key, body, version);
  }

  @Post(':key/revoke')
  @HttpCode(200)
  @Answers('Revokes a key for good.', { 200: keySchema })
  revoke(
    @Context() context: RequestContext,
    @Param('key') key: string,
    @IfMatch() version: number | undefined,
  ): Promise<KeyDto> {
    return this.keys.revoke(context, key, version);
  }
}
