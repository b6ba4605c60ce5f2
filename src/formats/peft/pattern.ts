/**
 * The regular expressions of PEFT's configs, in an engine that takes linear time: they come from strangers. Python's and
 * RE2's syntax agree on what such patterns use; where they don't, the pattern is refused.
 */
import { RE2JS } from 're2js';
import { UnsupportedAdapterError } from '../../errors/adapters.js';
import { shorten } from '../json.js';

const MAX_LENGTH = 4096;
/** Of all patterns of one adapter together. Naming each module of a model of 80 layers twice takes a third. */
const MAX_TOTAL_SIZE = 200_000;
/** What both engines take and read differently: `{,n}`, and a class in a class. */
const AMBIGUOUS = /\{,\d|\[\[:/;

export interface Pattern {
  /** Python's `re.fullmatch`. */
  matchesAll: (text: string) => boolean;
  /** Python's `re.match`. */
  matchesStart: (text: string) => boolean;
}

/** Compiles the patterns of one adapter, whose time and memory are bounded together. */
export class PatternCompiler {
  #size = 0;

  /** `source` goes into the expression; `shown` is what the config says, and what messages show. */
  compile(source: string, field: string, shown = source): Pattern {
    if (source.length > MAX_LENGTH) {
      throw new UnsupportedAdapterError(
        field,
        `has a pattern of ${source.length} characters; at most ${MAX_LENGTH} are read`,
      );
    }
    if (AMBIGUOUS.test(source)) throw refusal(field, shown, 'it means different things to different engines');
    this.#size += expandedSize(source);
    if (this.#size > MAX_TOTAL_SIZE) throw refusal(field, shown, 'repeated as it says, the patterns become too large');
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
}

/** An upper bound of the compiled size: `x{n}` is compiled n times, also in one another. */
function expandedSize(source: string): number {
  const counts = [...source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)];
  return counts.reduce((size, [, least, most]) => size * Math.max(1, Number(least), Number(most ?? 0)), source.length);
}

function refusal(field: string, pattern: string, reason: string): UnsupportedAdapterError {
  return new UnsupportedAdapterError(
    field,
    `has the pattern ${JSON.stringify(shorten(pattern))}, which can't be used: ${shorten(reason)}. Patterns have no look-around and no back-references; list the modules instead`,
  );
}
