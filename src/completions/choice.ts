/**
 * One choice of an answer: engine outputs in, text and reported tokens out. Holds back incomplete characters and
 * half-matched stop strings, and the log-probabilities of the tokens that they belong to.
 */
import type { FinishReason, RowOutput, TokenLogprob } from '../engine/protocol.js';
import { Detokenizer } from '../tokenization/detokenizer.js';
import { StopStrings } from '../tokenization/stop-strings.js';
import type { TokenTable } from '../tokenization/token-table.js';

export interface ChoiceOptions {
  index: number;
  table: TokenTable;
  /** The prompt's tokens, and its text where it has to be repeated before the completion. */
  prompt: readonly number[];
  echo: string | null;
  /** Whether tokens are reported. */
  logprobs: boolean;
  stops: readonly string[];
  stopTokenIds: readonly number[];
  includeStop: boolean;
  minTokens: number;
  keepSpecial: boolean;
}

export interface ReportedToken {
  token: number;
  /** Null for a text's first token: nothing stands before it. */
  logprob: number | null;
  top: TokenLogprob['top'];
  /** Where it begins in the choice's text, in code points. */
  offset: number;
}

/** What is new in a choice. */
export interface ChoiceDelta {
  index: number;
  text: string;
  tokens: ReportedToken[];
  finish: FinishReason | null;
}

export class Choice {
  readonly #options: ChoiceOptions;
  readonly #detokenizer: Detokenizer;
  readonly #stopStrings: StopStrings;
  readonly #promptLogprobs: TokenLogprob[] = [];
  /** Tokens whose text is not given out yet, and where it ends. */
  #held: { reported: ReportedToken; end: number }[] = [];
  #echoed: boolean;
  /** Code points of text that came in, and that were given out. */
  #received = 0;
  #given = 0;
  #completionTokens = 0;
  #cachedTokens = 0;
  #finished = false;

  constructor(options: ChoiceOptions) {
    this.#options = options;
    this.#detokenizer = new Detokenizer(options.table, {
      atStart: options.echo !== null,
      keepSpecial: options.keepSpecial,
    });
    this.#stopStrings = new StopStrings(options.stops, { include: options.includeStop });
    this.#echoed = options.echo === null;
  }

  get completionTokens(): number {
    return this.#completionTokens;
  }

  /** Of the prompt. */
  get cachedTokens(): number {
    return this.#cachedTokens;
  }

  /** A stop string may end a choice before the engine does. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Null where nothing can be said yet. */
  accept(output: RowOutput): ChoiceDelta | null {
    this.#cachedTokens += output.cachedTokens ?? 0;
    if (output.promptLogprobs) this.#promptLogprobs.push(...output.promptLogprobs);
    let text = this.#echoed ? '' : this.#echo();
    if (output.token !== undefined) text += this.#generate(output.token, output.logprob, output.finish);
    let finish = output.finish ?? null;
    if (finish && !this.#stopStrings.stopped) text += this.#stop(this.#detokenizer.end()) + this.#stopStrings.end();
    if (this.#stopStrings.stopped) finish = 'stop';

    this.#given += length(text);
    if (finish) this.#finished = true;
    const tokens = this.#release(finish !== null);
    if (text === '' && tokens.length === 0 && finish === null) return null;
    return { index: this.#options.index, text, tokens, finish };
  }

  /** The prompt, once its log-probabilities are complete. */
  #echo(): string {
    const { prompt, echo, logprobs } = this.#options;
    if (echo === null || (logprobs && this.#promptLogprobs.length < prompt.length - 1)) return '';
    this.#echoed = true;
    for (const [at, token] of prompt.entries()) {
      const scored = at === 0 ? undefined : this.#promptLogprobs[at - 1];
      this.#receive(token, scored, this.#detokenizer.push(token));
    }
    // The text as it was sent, where a tokenizer's normalizer changed it.
    this.#received = length(echo);
    return echo;
  }

  #generate(token: number, logprob: TokenLogprob | undefined, finish: FinishReason | undefined): string {
    this.#completionTokens++;
    const { stopTokenIds, includeStop, minTokens } = this.#options;
    if (finish === 'stop' && stopTokenIds.includes(token) && !includeStop) return '';
    const text = this.#detokenizer.push(token);
    this.#receive(token, logprob, text);
    return this.#completionTokens <= minTokens ? text : this.#stop(text);
  }

  #stop(text: string): string {
    return this.#stopStrings.push(text);
  }

  #receive(token: number, scored: TokenLogprob | undefined, text: string): void {
    const offset = this.#received;
    this.#received += length(text);
    if (!this.#options.logprobs) return;
    const reported = { token, logprob: scored?.logprob ?? null, top: scored?.top ?? [], offset };
    this.#held.push({ reported, end: this.#received });
  }

  #release(atEnd: boolean): ReportedToken[] {
    // Past a stop string, tokens that gave no text of the answer are left out.
    const cut = this.#stopStrings.stopped;
    const given = this.#held.filter(
      ({ reported, end }) => end <= this.#given || (atEnd && (!cut || reported.offset < this.#given)),
    );
    const last = given.at(-1);
    if (last) this.#held = this.#held.slice(this.#held.indexOf(last) + 1);
    return given.map(({ reported }) => reported);
  }
}

/** In code points, as OpenAI counts. */
function length(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const isLowSurrogate = unit >= 0xdc00 && unit <= 0xdfff;
    if (!isLowSurrogate || at === 0) count++;
  }
  return count;
}
