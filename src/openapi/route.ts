/**
 * Routes as Nest knows them: method, path, the schemas of `@Body`, `@Query`, `@Param` and `@Headers`, scopes, and what
 * `@Answers` declares. Nest keeps all of it as metadata on controllers and their methods.
 */
import { RequestMethod, type Type } from '@nestjs/common';
import { HTTP_CODE_METADATA, METHOD_METADATA, PATH_METADATA, ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import type { FastifyContextConfig } from 'fastify';
import type { z } from 'zod';
import { SCOPES, type Scope } from '../access/scope.js';
import { ANSWERS, type DeclaredAnswers } from '../http/answers.js';
import { ifMatchSchema, readIfMatch } from '../http/version-tag.js';

/** Something that a handler takes from the request. */
export interface Taken {
  from: 'body' | 'query' | 'path' | 'header';
  /** Null: all of it, as one object. */
  name: string | null;
  schema: z.ZodType | null;
}

export interface Route {
  /** `NodesController` */
  controller: string;
  handler: string;
  /** Lower case. */
  method: string;
  /** As Nest has it: `/api/v1/nodes/:node`, `/v1/models/*`. */
  path: string;
  /** One of these is needed; null: public. */
  scopes: readonly Scope[] | null;
  taken: readonly Taken[];
  /** Status of an answer where the handler sets none. */
  status: number;
  /** Null where `@Answers` is missing. */
  answers: DeclaredAnswers | null;
}

/** By the number that stands before the colon. */
const SOURCES = new Map<string, Taken['from']>([
  [`${RouteParamtypes.BODY}`, 'body'],
  [`${RouteParamtypes.QUERY}`, 'query'],
  [`${RouteParamtypes.PARAM}`, 'path'],
  [`${RouteParamtypes.HEADERS}`, 'header'],
]);

/** Of `__routeArguments__`: `3:0` → the fourth kind, at the first parameter; of our own decorators, the `factory`. */
type RouteArguments = Record<string, { data?: unknown; schema?: z.ZodType; factory?: unknown }>;

type Paths = string | string[];

export function routesOf(controller: Type): Route[] {
  const prototype = controller.prototype as object;
  return Object.getOwnPropertyNames(prototype).flatMap((handler) => {
    // The class itself, which has the prefix as its path.
    if (handler === 'constructor') return [];
    const method: unknown = Object.getOwnPropertyDescriptor(prototype, handler)?.value;
    return typeof method === 'function' ? routesOfMethod(controller, handler, method) : [];
  });
}

function routesOfMethod(controller: Type, handler: string, method: object): Route[] {
  const own = read(PATH_METADATA, method) as Paths | undefined;
  if (own === undefined) return [];
  const config = read(FASTIFY_ROUTE_CONFIG_METADATA, method) as FastifyContextConfig | undefined;
  const verb = (read(METHOD_METADATA, method) ?? RequestMethod.GET) as RequestMethod;
  const scopes = (read(SCOPES, method) ?? read(SCOPES, controller) ?? ['admin']) as readonly Scope[];
  const status = read(HTTP_CODE_METADATA, method) as number | undefined;
  const prefixes = (read(PATH_METADATA, controller) ?? '') as Paths;
  return [prefixes].flat().flatMap((prefix) =>
    [own].flat().map((path) => ({
      controller: controller.name,
      handler,
      method: RequestMethod[verb].toLowerCase(),
      path: join(prefix, path),
      scopes: config?.public === true ? null : scopes,
      taken: takenBy(controller, handler),
      status: status ?? (verb === RequestMethod.POST ? 201 : 200),
      answers: (read(ANSWERS, method) as DeclaredAnswers | undefined) ?? null,
    })),
  );
}

function takenBy(controller: Type, handler: string): Taken[] {
  const parameters = (Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, handler) ?? {}) as RouteArguments;
  return Object.entries(parameters).flatMap(([key, { data, schema, factory }]): Taken[] => {
    if (factory === readIfMatch) return [{ from: 'header', name: 'if-match', schema: ifMatchSchema }];
    const from = SOURCES.get(key.split(':', 1)[0] ?? '');
    if (from === undefined) return [];
    return [{ from, name: typeof data === 'string' ? data : null, schema: schema ?? null }];
  });
}

function read(key: string, of: object): unknown {
  return Reflect.getMetadata(key, of);
}

function join(...parts: string[]): string {
  const segments = parts.flatMap((part) => part.split('/')).filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}
