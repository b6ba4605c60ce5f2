/**
 * The grammar of paths: `model/segment/segment…`, where a segment is `name`, then optionally `:weight`, then optionally
 * `@revision`. `storyteller/french:0.8/verne@production` is an example; the model takes neither weight nor revision.
 *
 * A weight has at most three decimals and |w| ≤ 4. After the `@` stands a revision's number, or an alias, which starts
 * with a letter. Lengths and depth are bounded, so that a path from outside costs little to refuse.
 */
import { PathSyntaxError } from '../errors/paths.js';

export const MAX_NAME_CHARS = 64;
/** Segments after the model. */
export const MAX_DEPTH = 32;
export const MAX_PATH_CHARS = 4096;
export const MAX_WEIGHT = 4;

const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const ALIAS = /^[a-z][a-z0-9._-]*$/;
const NUMBER = /^[1-9][0-9]{0,8}$/;
const WEIGHT = /^[+-]?(?:\d{1,9}|\d{0,9}\.\d{1,3})$/;

export interface ParsedSegment {
  name: string;
  /** w: 1 where the path names none. */
  weight: number;
  /** A revision's number, an alias, or null for none. */
  revision: number | string | null;
}

export interface ParsedPath {
  model: string;
  segments: ParsedSegment[];
}

export function parsePath(text: string): ParsedPath {
  if (text.length > MAX_PATH_CHARS) {
    throw new PathSyntaxError(
      text,
      `a path has at most ${MAX_PATH_CHARS} characters, and this one has ${text.length}.`,
    );
  }
  const parts = text.split('/');
  if (parts.length - 1 > MAX_DEPTH) {
    throw new PathSyntaxError(text, `a path has at most ${MAX_DEPTH} segments after the model.`);
  }
  const model = parts[0] ?? '';
  if (!isName(model)) throw new PathSyntaxError(model || text, modelProblem(model));
  const segments: ParsedSegment[] = [];
  for (let i = 1; i < parts.length; i++) segments.push(parseSegment(parts[i] ?? '', text));
  return { model, segments };
}

/** `path` is the whole that it stands in, for messages. */
export function parseSegment(text: string, path: string = text): ParsedSegment {
  const at = text.indexOf('@');
  const beforeAt = at < 0 ? text : text.slice(0, at);
  const colon = beforeAt.indexOf(':');
  const name = colon < 0 ? beforeAt : beforeAt.slice(0, colon);
  if (!isName(name)) throw new PathSyntaxError(text || path, nameProblem(name));
  return {
    name,
    weight: colon < 0 ? 1 : parseWeight(beforeAt.slice(colon + 1), text),
    revision: at < 0 ? null : parseRevision(text.slice(at + 1), text),
  };
}

/** The one way to write a path: weights without needless digits, and none where it is 1. */
export function formatPath(path: ParsedPath): string {
  let text = path.model;
  for (const segment of path.segments) text += `/${formatSegment(segment)}`;
  return text;
}

export function formatSegment({ name, weight, revision }: ParsedSegment): string {
  return `${name}${weight === 1 ? '' : `:${weight}`}${revision === null ? '' : `@${revision}`}`;
}

export function isName(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && NAME.test(text);
}

/** Whether something can be an alias: a name that can't be taken for a revision's number. */
export function isAlias(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && ALIAS.test(text);
}

function parseWeight(text: string, segment: string): number {
  if (!WEIGHT.test(text)) {
    throw new PathSyntaxError(
      segment,
      `the weight "${text}" after ":" must be a number with at most three decimals, like 0.8.`,
    );
  }
  // -0 and 0 are one weight, and are written the same.
  const weight = Number(text) || 0;
  if (Math.abs(weight) > MAX_WEIGHT) {
    throw new PathSyntaxError(segment, `the weight ${text} lies outside of -${MAX_WEIGHT} to ${MAX_WEIGHT}.`);
  }
  return weight;
}

function parseRevision(text: string, segment: string): number | string {
  if (NUMBER.test(text)) return Number(text);
  if (isAlias(text)) return text;
  const order = text.includes(':') ? ' The weight stands before the "@", as in french:0.8@3.' : '';
  throw new PathSyntaxError(
    segment,
    `after "@" comes a revision's number (from 1) or an alias that starts with a letter.${order}`,
  );
}

function modelProblem(model: string): string {
  if (model === '') return 'a path starts with a model, as in storyteller/french, and not with "/".';
  const marked = /[:@]/.test(model) && isName(model.split(/[:@]/)[0] ?? '');
  return marked ? 'the model itself takes no weight and no revision.' : nameProblem(model);
}

function nameProblem(name: string): string {
  if (name === '') return 'a segment needs a name; look for a doubled or trailing "/".';
  if (name.length > MAX_NAME_CHARS) return `a name has at most ${MAX_NAME_CHARS} characters.`;
  return 'a name starts with a lower-case letter or digit and goes on with those, ".", "_" or "-".';
}
