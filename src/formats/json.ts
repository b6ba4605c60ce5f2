/**
 * JSON from strangers. `JSON.parse` does the parsing, but it keeps the last of two equal names without a word, and takes
 * nesting that a recursive reader of the result would not survive. Both are refused here, in one pass without recursion.
 */
import { readFile, stat } from 'node:fs/promises';
import { InvalidFileError, isMissingFile } from '../errors/files.js';

/** Deeper than any file of these formats: chat messages in a tokenizer's config are the deepest at about 8. */
const MAX_DEPTH = 64;

export interface JsonSource {
  /** What messages call it. */
  name: string;
  maxBytes: number;
}

export async function readJsonFile(file: string, source: JsonSource): Promise<unknown> {
  try {
    const { size } = await regularFile(file, source.name);
    if (size > source.maxBytes) {
      throw new InvalidFileError(source.name, `is ${size} bytes long; at most ${source.maxBytes} are read`);
    }
    return parseJson(await readFile(file, 'utf8'), source.name);
  } catch (error) {
    if (isMissingFile(error)) throw new InvalidFileError(source.name, 'is missing', { cause: error });
    throw error;
  }
}

/** Size of a file that is one: opening a pipe would wait for ever. */
export async function regularFile(file: string, name: string): Promise<{ size: number }> {
  const stats = await stat(file);
  if (!stats.isFile()) throw new InvalidFileError(name, 'is not a file');
  return { size: stats.size };
}

export function parseJson(text: string, name: string): unknown {
  const depth = nesting(text);
  if (depth > MAX_DEPTH) throw new InvalidFileError(name, `is nested deeper than ${MAX_DEPTH} levels`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the text, which may be anything.
    throw new InvalidFileError(name, 'is not valid JSON', { cause: error });
  }
  const twice = duplicateName(text);
  if (twice !== null) throw new InvalidFileError(name, `has the name ${JSON.stringify(shorten(twice))} twice`);
  return value;
}

/** The deepest nesting of brackets outside strings. Any text will do. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') i = endOfString(text, i);
    else if (char === '{' || char === '[') deepest = Math.max(deepest, ++depth);
    else if (char === '}' || char === ']') depth--;
  }
  return deepest;
}

/** The first name that an object has twice, or null. `text` is valid JSON. */
function duplicateName(text: string): string | null {
  // One entry for each open bracket: the names so far of an object, null for an array, whose strings are no names.
  const open: (Set<string> | null)[] = [];
  let nameFollows = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      const end = endOfString(text, i);
      const names = open.at(-1);
      if (nameFollows && names) {
        const name = JSON.parse(text.slice(i, end + 1)) as string;
        if (names.has(name)) return name;
        names.add(name);
        nameFollows = false;
      }
      i = end;
    } else if (char === '{') {
      open.push(new Set());
      nameFollows = true;
    } else if (char === '[') {
      open.push(null);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === ',') {
      nameFollows = true;
    }
  }
  return null;
}

/** Index of the quote that closes the string that opens at `start`, or the last index. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === '"') return i;
  }
  return text.length - 1;
}

/** A name as messages show it: messages are kept in the database, which takes no NUL. */
export function shorten(given: string, length = 200): string {
  const text = given.replaceAll('\0', '\ufffd');
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
