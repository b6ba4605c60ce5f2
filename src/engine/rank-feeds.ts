/** What a runner asks of whoever holds the rank rows of its rows' adapters. */
import type { UsedPorts } from './graph-forms.js';
import type { RankFeed } from './rank-rows.js';
import type { RunnerRow } from './runner.js';
import type { NamedTensors } from './session-feeds.js';

/** A part of a run, as far as its adapters are concerned. */
export interface RankPart {
  /** In the order of the batch. */
  rows: readonly RunnerRow[];
  /** T */
  tokens: number;
  /** Of the KV cache; 0 where all rows start. */
  capacity: number;
}

export interface RankRun {
  /** One, or two. */
  parts: readonly RankPart[];
  /** Nothing may be fed that isn't the rows' own. */
  alone: boolean;
}

/** What the LoRA ports of a run are fed. */
export interface RankFeeds {
  /** What the run needs. */
  used: UsedPorts;
  /** A projection each; none at all where the graph has no LoRA ports. */
  shared: readonly RankFeed[];
  /** Of each part, digests that are in private slots, and so masked in the shared ports; not in lm_head's. */
  slotted: readonly ReadonlySet<string>[];
  /** Of the first part, and of a second one, there or not: input name → tensor, as the first part's are called. */
  slots: readonly NamedTensors[];
}

/** Where the runner gets the rank rows of its rows' adapters. */
export interface RankSource {
  feed(run: RankRun): RankFeeds;
  /** Whether a run of both costs less than two. */
  joins(first: RankPart, second: RankPart): boolean;
}
