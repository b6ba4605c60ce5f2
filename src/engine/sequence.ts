/** One request as the engine sees it: its tokens so far, and how much of them is computed. */
import type { KvContents } from './kv-budget.js';
import type { AdapterUse, GenerationRequest, SamplingParams } from './protocol.js';
import { randomNumbers } from './random.js';
import type { TokenHistory } from './logits-processing.js';

export class Sequence implements TokenHistory {
  readonly request: GenerationRequest;
  /** Place in the order of arrival: lower is older. */
  readonly arrival: number;
  /** Prompt, then what was generated. */
  readonly tokens: number[];
  /** Positions whose K and V are cached. */
  computed = 0;
  /** The prompt index whose log-probability is reported next. */
  scored: number;
  /** Rows that were admitted before this one though they came later, while it had all but a place. */
  overtaken = 0;
  /** Its adapters have once been in memory: since then it waits for a place, not for the disk. */
  ready = false;
  /** Was in the batch before, and gave its place to older rows. */
  preemptions = 0;
  /** What it leaves behind is not to be reused: it failed, or nobody will ask. */
  leavesNothing = false;
  /** Prompt positions that were cached when it began, until its first output has told so. */
  #cachedTokens = 0;

  readonly #nextRandom: () => number;
  /** Handed out for the token that comes next. */
  #uniform: number | null = null;
  readonly #seen: Set<number>;
  readonly #generated = new Map<number, number>();

  constructor(request: GenerationRequest, arrival: number) {
    this.request = request;
    this.arrival = arrival;
    this.tokens = [...request.prompt];
    this.scored = request.scoreFrom ?? Infinity;
    this.#nextRandom = randomNumbers(request.sampling.seed);
    this.#seen = new Set(request.sampling.repetitionPenalty === 1 ? [] : request.prompt);
  }

  get id(): string {
    return this.request.id;
  }

  get adapters(): readonly AdapterUse[] {
    return this.request.adapters;
  }

  get sampling(): SamplingParams {
    return this.request.sampling;
  }

  get promptLength(): number {
    return this.request.prompt.length;
  }

  get generatedCount(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Positions that are still to be computed before the next token, or the end, is known. */
  get pending(): number {
    // A row that only scores has no use for what follows its last token.
    const wanted = this.request.maxTokens === 0 ? this.promptLength - 1 : this.tokens.length;
    return Math.max(0, wanted - this.computed);
  }

  /** What its positions hold, if they may be reused by anyone. */
  get contents(): KvContents | undefined {
    const { pathDigest, cacheScope } = this.request;
    if (cacheScope === undefined || this.leavesNothing) return undefined;
    return { scope: `${pathDigest} ${cacheScope}`, tokens: this.tokens };
  }

  /** How many of its first positions it need not compute itself: the logits of those that follow are wanted. */
  get reusable(): number {
    return Math.max(0, Math.min(this.tokens.length, this.scored) - 1);
  }

  /** Takes its place in the batch, where `reused` positions are cached already. */
  begin(reused: number): void {
    this.computed = reused;
    if (this.preemptions === 0) this.#cachedTokens = reused;
  }

  /** Says once how many prompt tokens were cached. */
  takeCachedTokens(): number | undefined {
    const cached = this.#cachedTokens;
    this.#cachedTokens = 0;
    return cached === 0 ? undefined : cached;
  }

  get seen(): ReadonlySet<number> {
    return this.#seen;
  }

  get generated(): ReadonlyMap<number, number> {
    return this.#generated;
  }

  /** Whether the logits after position `position` are needed: to report the next prompt token, or to draw a new one. */
  wantsLogitsAt(position: number): boolean {
    const next = position + 1;
    if (next < this.promptLength) return next >= this.scored;
    return next === this.tokens.length && this.request.maxTokens > 0;
  }

  /** Tokens that may not be drawn next. */
  get barred(): readonly number[] {
    return this.generatedCount < this.request.minTokens ? this.request.stopTokenIds : [];
  }

  /** The number in [0, 1) that the next token is drawn with: the same until it is there, however often it is tried. */
  random(): number {
    this.#uniform ??= this.#nextRandom();
    return this.#uniform;
  }

  append(token: number): void {
    this.tokens.push(token);
    this.#uniform = null;
    if (this.sampling.repetitionPenalty !== 1) this.#seen.add(token);
    this.#generated.set(token, (this.#generated.get(token) ?? 0) + 1);
  }

  /** Forgets what was computed, not what was generated or reported. */
  reset(): void {
    this.computed = 0;
    this.preemptions++;
  }
}
