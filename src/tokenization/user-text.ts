/**
 * Carries the knowledge of who wrote what through a chat template, so that a `<|im_end|>` which a user typed stays
 * text while the template's own becomes a token.
 *
 * The characters that special tokens are made of (`<`, `|`, `_`, `>`, `[`, …; no letters, digits or spaces) are
 * replaced in users' text by characters of the private use area that nothing in the request uses, and put back after
 * rendering, with their places noted: no special token is read across those. The length, case and edges of the text
 * stay as they are, so trim, upper, split and the like work, and cutting and joining can't build a token either.
 *
 * Templates also look for literals in what users wrote (`'</think>' in content`). Occurrences of literals that the
 * template itself holds are left alone, unless they are part of a special token, or contain one.
 *
 * Limits: a template that escapes such characters (`|e`, `|urlencode`) doesn't see them. A template that writes all
 * the punctuation of a special token around a user's word (`<|{{ content }}|>`) makes that token, as it says.
 */
import { InvalidRequestError } from '../errors/requests.js';

const FIRST_PRIVATE = 0xe000;
const LAST_PRIVATE = 0xf8ff;

export class UserText {
  readonly #substitutes = new Map<string, string>();
  readonly #originals = new Map<string, string>();
  readonly #specialTokens: readonly string[];
  /** Any risky character; in the first one, a literal of the template may take it before, as group 1. */
  readonly #riskyOrKept: RegExp | null;
  readonly #risky: RegExp | null;
  readonly #placeholders: RegExp | null;

  /** `texts`: everything that may come out of the template, to find characters that none of it uses. */
  constructor(specialTokens: readonly string[], literals: readonly string[], texts: readonly string[]) {
    this.#specialTokens = specialTokens;
    const risky = new Set(specialTokens.flatMap((token) => riskyCharacters(token)));
    const used = new Set(texts.flatMap((text) => text.match(/[\ue000-\uf8ff]/g) ?? []));
    let next = FIRST_PRIVATE;
    for (const character of risky) {
      while (used.has(String.fromCharCode(next))) next++;
      if (next > LAST_PRIVATE) {
        throw new InvalidRequestError('The messages use all characters of the private use area. Leave some out.');
      }
      const substitute = String.fromCharCode(next++);
      this.#substitutes.set(character, substitute);
      this.#originals.set(substitute, character);
    }
    const kept = literals.filter(
      (literal) =>
        riskyCharacters(literal).some((character) => risky.has(character)) &&
        !specialTokens.some((token) => token.includes(literal) || literal.includes(token)),
    );
    kept.sort((a, b) => b.length - a.length);
    // An empty alternative would match everywhere; without kept literals the group must match nowhere.
    const keep = kept.length === 0 ? '(?!)' : kept.map(escapeRegExp).join('|');
    const anyRisky = `[${[...risky].map(escapeInClass).join('')}]`;
    this.#riskyOrKept = risky.size === 0 ? null : new RegExp(`(${keep})|${anyRisky}`, 'gu');
    this.#risky = risky.size === 0 ? null : new RegExp(anyRisky, 'gu');
    this.#placeholders = risky.size === 0 ? null : new RegExp(`[${[...this.#originals.keys()].join('')}]`, 'g');
  }

  /** Marks all strings of a value; of names, which templates look up, only those with a special token in them. */
  protect<T>(value: T): T {
    const name = (text: string): string =>
      this.#specialTokens.some((token) => text.includes(token)) ? this.#protectText(text) : text;
    return mapStrings(value, (text) => this.#protectText(text), name) as T;
  }

  #protectText(text: string): string {
    if (!this.#riskyOrKept || !this.#risky) return text;
    const substitute = (match: string, kept?: unknown): string =>
      typeof kept === 'string' ? kept : (this.#substitutes.get(match) ?? match);
    const marked = text.replace(this.#riskyOrKept, substitute);
    // Several literals side by side could still spell a special token.
    return this.#specialTokens.some((token) => marked.includes(token)) ? text.replace(this.#risky, substitute) : marked;
  }

  /** The rendered text with users' characters put back, and where they stand (UTF-16 offsets, ascending). */
  restore(rendered: string): { text: string; untrusted: number[] } {
    const untrusted: number[] = [];
    if (!this.#placeholders) return { text: rendered, untrusted };
    let shift = 0;
    const text = rendered.replace(this.#placeholders, (match, at: number) => {
      const original = this.#originals.get(match) ?? match;
      untrusted.push(at + shift);
      shift += original.length - match.length;
      return original;
    });
    return { text, untrusted };
  }
}

/** Punctuation and symbols of a token; its first character where it has none. */
function riskyCharacters(token: string): string[] {
  const characters = Array.from(token);
  const found = characters.filter((character) => !/[\p{L}\p{M}\p{N}\s]/u.test(character));
  return found.length > 0 ? found : characters.slice(0, 1);
}

type Change = (text: string) => string;

function mapStrings(value: unknown, change: Change, changeName: Change): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change, changeName));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [changeName(name), mapStrings(item, change, changeName)]),
  );
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function escapeInClass(character: string): string {
  return /[\^\]\\[-]/.test(character) ? `\\${character}` : character;
}
