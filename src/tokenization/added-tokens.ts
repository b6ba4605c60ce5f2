/**
 * Finds a tokenizer's added tokens (`<|endoftext|>`, `<think>`, …) in text, by the rules of Hugging Face's tokenizers:
 * leftmost, then longest; `single_word` asks for word boundaries; `lstrip` and `rstrip` swallow white space.
 *
 * One rule is ours: a *special* token is only found where the text may be trusted. What a user typed stays text.
 */
export interface AddedToken {
  id: number;
  content: string;
  singleWord: boolean;
  lstrip: boolean;
  rstrip: boolean;
  special: boolean;
}

/** Which characters of a text a user wrote: all, or those at these offsets (UTF-16, ascending). */
export type Untrusted = 'all' | readonly number[];

/** A stretch of plain text, or one added token. */
export type Section = { text: string } | { token: AddedToken };

export class AddedTokens {
  readonly #byContent: ReadonlyMap<string, AddedToken>;
  readonly #pattern: RegExp | null;

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]));
    const contents = [...this.#byContent.keys()].sort((a, b) => b.length - a.length);
    this.#pattern = contents.length === 0 ? null : new RegExp(contents.map(escapeRegExp).join('|'), 'g');
  }

  split(text: string, untrusted: Untrusted): Section[] {
    const sections: Section[] = [];
    let end = 0;
    for (const match of this.#matches(text, untrusted)) {
      const start = match.token.lstrip ? text.slice(end, match.start).trimEnd().length + end : match.start;
      if (start > end) sections.push({ text: text.slice(end, start) });
      sections.push({ token: match.token });
      end = match.end;
      if (match.token.rstrip) end = text.length - text.slice(end).trimStart().length;
    }
    if (end < text.length) sections.push({ text: text.slice(end) });
    return sections;
  }

  *#matches(text: string, untrusted: Untrusted): Generator<{ token: AddedToken; start: number; end: number }> {
    if (!this.#pattern) return;
    let from = 0;
    for (;;) {
      this.#pattern.lastIndex = from;
      const found = this.#pattern.exec(text);
      const token = found && this.#byContent.get(found[0]);
      if (!token) return;
      const start = found.index;
      const end = start + token.content.length;
      const refused =
        (token.special && touches(untrusted, start, end)) || (token.singleWord && !standsAlone(text, start, end));
      // A refused match may hide another one inside.
      from = refused ? start + 1 : end;
      if (!refused) yield { token, start, end };
      if (!refused && token.rstrip) from = text.length - text.slice(end).trimStart().length;
    }
  }
}

function touches(untrusted: Untrusted, start: number, end: number): boolean {
  if (untrusted === 'all') return true;
  // First offset ≥ start.
  let low = 0;
  let high = untrusted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((untrusted[middle] ?? Infinity) < start) low = middle + 1;
    else high = middle;
  }
  return (untrusted[low] ?? Infinity) < end;
}

function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 2), start);
  const after = text.slice(end, end + 2);
  return !/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(before) && !/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(after);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
