/**
 * Reads what the logits of a run say: of a prompt's token how likely it was, else which token comes next. Of all positions
 * at once, in rounds, of which each may be for none: logits that are processed before the draw, the masses of blocks, the
 * blocks that matter. So little comes down from a device.
 */
import { blockCount } from '../graph/logit-blocks.js';
import type { MassQuery } from './block-masses.js';
import { likeliestBlocks, tokenLogprob } from './logprobs.js';
import { blockOf, PositionLogits } from './position-logits.js';
import type { SamplingParams, TokenLogprob } from './protocol.js';
import type { BlockPlace, RunLogits } from './run-logits.js';
import { type Draw, drawsByMass, Sampler } from './sampling.js';
import { processLogits, needsProcessing, type TokenHistory } from './logits-processing.js';

/** A position that is to be read. */
export interface Reading {
  run: RunLogits;
  /** Among those of the run. */
  position: number;
  /** The token that comes next, where it isn't to be drawn. */
  known?: number;
  /** Of how many of the likeliest tokens log-probabilities are reported, beside the next one's; null: of none at all. */
  logprobs: number | null;
  sampling: SamplingParams;
  history: TokenHistory;
  /** Gives the next number in [0, 1). */
  random: () => number;
  /** Tokens that may not be drawn now. */
  barred: readonly number[];
}

export interface ReadToken {
  token: number;
  /** Where it was asked for. */
  logprob?: TokenLogprob;
}

export class LogitReader {
  readonly #sampler: Sampler;

  constructor(vocabSize: number) {
    this.#sampler = new Sampler(vocabSize);
  }

  /** What each reading says, in order. */
  async read(readings: readonly Reading[]): Promise<ReadToken[]> {
    const opened = readings.map((reading) => new OpenReading(reading));
    await processLogitsOf(opened);
    await findMasses(opened.flatMap((one) => one.massesToKnow()));
    await readBlocks(opened.flatMap((one) => one.beginDraw(this.#sampler)));
    return opened.map((one) => one.finish());
  }
}

/** Logits, and where they are asked for. */
interface Source {
  run: RunLogits;
  position: number;
  logits: PositionLogits;
}

interface WantedBlock {
  source: Source;
  block: number;
}

interface WantedMasses {
  source: Source;
  temperature: number;
  take: (masses: Float32Array) => void;
}

class OpenReading {
  readonly #reading: Reading;
  /** What the model said. */
  readonly model: Source;
  /** What is drawn from. */
  #scores: Source;
  #sampling: SamplingParams;
  #drawMasses: Float32Array | undefined;
  #modelMasses: Float32Array | undefined;
  #draw: Draw | null = null;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.model = sourceAt(reading.run, reading.position);
    this.#scores = this.model;
    this.#sampling = reading.sampling;
  }

  get #isDrawn(): boolean {
    return this.#reading.known === undefined;
  }

  /** Whether something is drawn from that isn't what the model said. */
  get isProcessed(): boolean {
    return this.#isDrawn && (needsProcessing(this.#reading.sampling) || this.#reading.barred.length > 0);
  }

  /** scores: [vocab], a copy of the model's logits, which is changed. */
  drawFrom(scores: Float32Array): void {
    const { sampling, history, barred, run } = this.#reading;
    processLogits(scores, sampling, history, barred);
    // All was barred: nothing better is left than the model's own choice.
    if (scores.every((score) => score === -Infinity)) this.#sampling = { ...sampling, temperature: 0 };
    else this.#scores = sourceAt(run.ofOne(scores), 0);
  }

  /** Of the draw, and of what is reported, which is the model's own temperature. */
  massesToKnow(): WantedMasses[] {
    const wanted: WantedMasses[] = [];
    const { temperature } = this.#sampling;
    const drawn = this.#isDrawn && drawsByMass(this.#sampling, this.model.logits.vocabSize);
    const isReported = this.#reading.logprobs !== null;
    const isSame = drawn && this.#scores === this.model && temperature === 1;
    if (drawn) {
      const take = (masses: Float32Array): void => {
        this.#drawMasses = masses;
        if (isSame) this.#modelMasses = masses;
      };
      wanted.push({ source: this.#scores, temperature, take });
    }
    if (isReported && !isSame) {
      wanted.push({ source: this.model, temperature: 1, take: (masses) => (this.#modelMasses = masses) });
    }
    return wanted;
  }

  /** → the blocks that the draw and the report look at */
  beginDraw(sampler: Sampler): WantedBlock[] {
    const { known, logprobs, random } = this.#reading;
    if (known === undefined) {
      this.#draw = sampler.draw(this.#scores.logits, this.#sampling, random, this.#drawMasses);
    }
    const ofModel = new Set(logprobs === null ? [] : likeliestBlocks(this.model.logits, logprobs));
    if (known !== undefined) ofModel.add(blockOf(known));
    const ofDraw = this.#draw?.blocks ?? [];
    // Of the token that is drawn the model's own logit is reported, whatever it was drawn from.
    if (logprobs !== null || this.#scores === this.model) for (const block of ofDraw) ofModel.add(block);
    const wanted = [...ofModel].map((block) => ({ source: this.model, block }));
    if (this.#scores !== this.model) wanted.push(...ofDraw.map((block) => ({ source: this.#scores, block })));
    return wanted;
  }

  finish(): ReadToken {
    const { known, logprobs } = this.#reading;
    const token = known ?? this.#draw?.finish();
    if (token === undefined) throw new Error('a token was not drawn');
    if (logprobs === null) return { token };
    const masses = this.#modelMasses;
    if (masses === undefined) throw new Error('a position whose log-probabilities are wanted has no masses');
    return { token, logprob: tokenLogprob(this.model.logits, masses, token, logprobs) };
  }
}

function sourceAt(run: RunLogits, position: number): Source {
  const blocks = blockCount(run.vocabSize);
  const maxima = run.maxima.subarray(position * blocks, (position + 1) * blocks);
  return { run, position, logits: new PositionLogits(run.vocabSize, maxima) };
}

async function processLogitsOf(opened: readonly OpenReading[]): Promise<void> {
  const changed = opened.filter(({ isProcessed }) => isProcessed).map((one) => ({ one, source: one.model }));
  for (const [run, some] of byRun(changed)) {
    const copies = await run.copy(some.map(({ source }) => source.position));
    for (const [i, scores] of copies.entries()) some[i]?.one.drawFrom(scores);
  }
}

async function readBlocks(wanted: readonly WantedBlock[]): Promise<void> {
  const missing = wanted.filter(({ source, block }) => !source.logits.has(block));
  for (const [run, some] of byRun(missing)) {
    const places = some.map(({ source, block }): BlockPlace => ({ position: source.position, block }));
    for (const [i, values] of (await run.read(places)).entries()) {
      const { source, block } = some[i] as WantedBlock;
      source.logits.add(block, values);
    }
  }
}

async function findMasses(wanted: readonly WantedMasses[]): Promise<void> {
  for (const [run, some] of byRun(wanted)) {
    const queries = some.map(({ source: { position, logits }, temperature }): MassQuery => ({
      position,
      largest: logits.largest,
      temperature,
    }));
    for (const [i, masses] of (await run.massesOf(queries)).entries()) some[i]?.take(masses);
  }
}

function byRun<T extends { source: Source }>(all: readonly T[]): Map<RunLogits, T[]> {
  const groups = new Map<RunLogits, T[]>();
  for (const one of all) {
    const group = groups.get(one.source.run) ?? [];
    group.push(one);
    groups.set(one.source.run, group);
  }
  return groups;
}
