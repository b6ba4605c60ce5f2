/**
 * What a route does and answers, said on the route itself: `/openapi.json` is built from this, and end-to-end tests
 * hold every answer against it. What a route takes isn't repeated here; the schemas of `@Body`, `@Query` and `@Param`
 * say it already. Errors aren't either: they have one shape on all routes.
 */
import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import type { z } from 'zod';

export const JSON_LINES = 'application/jsonl';

/** A body that isn't plain JSON. */
export interface Content {
  type: string;
  /** Null: bytes or text of any form. For event streams: the JSON of one event. */
  schema: z.ZodType | null;
}

/** A schema stands for JSON, null for no body at all; a list for forms of which the request chooses one. */
export type AnswerBody = z.ZodType | Content | null | readonly (z.ZodType | Content)[];

/** Headers beside those that all routes have. */
export type AnswerHeader = 'location' | 'x-espalier-path' | 'x-espalier-path-digest' | 'content-disposition';

export interface AnswerOptions {
  /** Of answers that aren't errors. */
  headers?: readonly AnswerHeader[];
  /** Bodies that the handler reads by itself, from the raw request. */
  takes?: readonly Content[];
  /** Names a parameter of which `@Param` says nothing: that of a wildcard. */
  wildcard?: string;
}

export interface DeclaredAnswers extends AnswerOptions {
  summary: string;
  bodies: Readonly<Record<number, AnswerBody>>;
}

export const ANSWERS = 'espalier:answers';

/**
 * On every method of a controller: what it does, in a sentence, and the body of each status that isn't an error.
 *
 *     @Answers('Makes a node without a revision.', { 201: nodeSchema })
 *
 * Schemas that have a name, `z.object({…}).meta({ id: 'Node' })`, become components under it.
 */
export function Answers(
  summary: string,
  bodies: Readonly<Record<number, AnswerBody>>,
  options: AnswerOptions = {},
): CustomDecorator {
  return SetMetadata(ANSWERS, { summary, bodies, ...options } satisfies DeclaredAnswers);
}

export function json(schema: z.ZodType): Content {
  return { type: 'application/json', schema };
}

/** Server-sent events, each with the schema's JSON as its data. */
export function events(schema: z.ZodType): Content {
  return { type: 'text/event-stream', schema };
}

/** Lines, each of them JSON. */
export function lines(schema: z.ZodType): Content {
  return { type: JSON_LINES, schema };
}

export function text(type = 'text/plain'): Content {
  return { type, schema: null };
}

export function bytes(type = 'application/octet-stream'): Content {
  return { type, schema: null };
}

/** A form with fields and files. */
export function multipart(schema: z.ZodType): Content {
  return { type: 'multipart/form-data', schema };
}

export function isContent(body: z.ZodType | Content): body is Content {
  return !('_zod' in body);
}
