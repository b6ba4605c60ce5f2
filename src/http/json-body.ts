/** Bodies of JSON. Parsing is fast at any depth, but what walks the value afterwards recurses: depth is capped first. */
import { InvalidJsonError, JsonTooDeepError } from '../errors/requests.js';

const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Undefined where there is none: many clients name the type of JSON also on requests without a body. */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  refuseDeepNesting(body);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new InvalidJsonError('it is not UTF-8.');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidJsonError(error instanceof Error ? `${error.message}.` : String(error));
  }
}

/** Bytes of structure are ASCII, and UTF-8 never uses those inside of other characters, so no decoding is needed. */
function refuseDeepNesting(body: Buffer): void {
  let depth = 0;
  for (let at = 0; at < body.length; at += 1) {
    switch (body[at]) {
      case QUOTE:
        at = endOfString(body, at);
        break;
      case OPENING_BRACKET:
      case OPENING_BRACE:
        depth += 1;
        if (depth > MAX_DEPTH) throw new JsonTooDeepError(MAX_DEPTH);
        break;
      case CLOSING_BRACKET:
      case CLOSING_BRACE:
        depth -= 1;
        break;
    }
  }
}

/** Index of the quote that ends the string which begins at `start`, or of the body's end. */
function endOfString(body: Buffer, start: number): number {
  for (let at = body.indexOf(QUOTE, start + 1); at !== -1; at = body.indexOf(QUOTE, at + 1)) {
    let backslashes = 0;
    while (body[at - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
  return body.length;
}
