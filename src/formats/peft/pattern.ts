/**
 * The regular expressions of PEFT's configs, in an engine that takes linear time: they come from strangers. Python's and
 * RE2's syntax agree on what such patterns use; where they don't, the pattern is refused.
 */
import { RE2JS } from 're2js';
import { UnsupportedAdapterError } from '../../errors.js';
import { shorten } from '../json.js';

const MAX_LENGTH = 4096;
/** What both engines take and read differently: `{,n}`, and a class in a class. */
const AMBIGUOUS = /\{,\d|\[\[:/;

export interface Pattern {
  /** Python's `re.fullmatch`. */
  matchesAll: (text: string) => boolean;
  /** Python's `re.match`. */
  matchesStart: (text: string) => boolean;
}

/** `source` goes into the expression; `shown` is what the config says, and what messages show. */
export function compilePattern(source: string, field: string, shown = source): Pattern {
  if (source.length > MAX_LENGTH) {
    throw new UnsupportedAdapterError(
      field,
      `has a pattern of ${source.length} characters; at most ${MAX_LENGTH} are read`,
    );
  }
  if (AMBIGUOUS.test(source)) throw refusal(field, shown, 'it means different things to different engines');
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    throw refusal(field, shown, error instanceof Error ? error.message : String(error));
  }
  return {
    matchesAll: (text) => compiled.matches(text),
    matchesStart: (text) => compiled.matcher(text).lookingAt(),
  };
}

function refusal(field: string, pattern: string, reason: string): UnsupportedAdapterError {
  return new UnsupportedAdapterError(
    field,
    `has the pattern ${JSON.stringify(shorten(pattern))}, which can't be used: ${shorten(reason)}. Patterns have no look-around and no back-references; list the modules instead`,
  );
}
