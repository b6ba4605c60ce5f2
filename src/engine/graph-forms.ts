/**
 * The graph of one model in several forms, a session each, of which a run takes the leanest that can do it. A run costs by
 * the operators and inputs of its graph, used or not: where nothing else is left, the leanest form takes a third of the time
 * that the whole one does (`npm run bench -- overhead`).
 *
 * The form that can do everything is loaded with the model. The others come later, one by one, where the weights are mapped
 * from a file (`packed-weights.ts`): then a form takes memory for its operators alone.
 */
import type { ModelConfig } from '../formats/checkpoint/model-config.js';
import type { TensorLocation } from '../formats/checkpoint/tensor-location.js';
import { encodeDecoderGraph } from '../graph/decoder-graph.js';
import type { GraphOptions } from '../graph/graph-options.js';
import { hostMasses, type BlockMasses } from './block-masses.js';
import { Session, type SessionOptions } from './ort.js';

/**
 * Which LoRA ports a graph has, and which of them a run needs: `path` shared ones for rows that all take one path, `shared`
 * those for rows on any, `ports` private ones beside them. Each does what those before it do.
 */
const PORTS = ['none', 'path', 'shared', 'ports'] as const;
export type UsedPorts = (typeof PORTS)[number];

export interface GraphForm {
  lora: UsedPorts;
  /** A run has one part, whose rows have one new token each; else any number of tokens, and there may be a second part. */
  oneToken: boolean;
}

export interface FormSession extends GraphForm {
  session: Session;
}

/** Where a runner gets the session of a run. */
export interface RunSessions {
  /** Whether a run may have a second part. */
  readonly runsTwoParts: boolean;
  /** Of the logits of its runs. */
  readonly masses: BlockMasses;
  /** One that can do it. */
  for(needs: GraphForm): FormSession;
}

export const oneForm = (form: FormSession, masses: BlockMasses): RunSessions => ({
  runsTwoParts: !form.oneToken,
  masses,
  for: (needs) => {
    if (!does(form, needs)) throw new Error(`${describe(form)} can't do a run for ${describe(needs)}`);
    return form;
  },
});

const WHOLE: GraphForm = { lora: 'ports', oneToken: false };
/** In the order in which they are loaded. */
const LEANER: readonly GraphForm[] = [
  { lora: 'none', oneToken: true },
  { lora: 'path', oneToken: true },
  { lora: 'ports', oneToken: true },
  { lora: 'shared', oneToken: true },
  { lora: 'shared', oneToken: false },
  { lora: 'none', oneToken: false },
];

export interface FormWeights {
  config: ModelConfig;
  /** What the tensors lie in. */
  folder: string;
  tensors: ReadonlyMap<string, TensorLocation>;
}

export class GraphForms implements RunSessions {
  readonly runsTwoParts = true;
  readonly masses: BlockMasses;
  readonly #weights: FormWeights;
  readonly #options: SessionOptions;
  /** From lean to whole. */
  readonly #loaded: FormSession[] = [];
  readonly #missing: GraphForm[];

  private constructor(weights: FormWeights, options: SessionOptions, leaner: readonly GraphForm[]) {
    this.#weights = weights;
    this.#options = options;
    this.#missing = [...leaner];
    this.masses = hostMasses(weights.config.vocabSize, options.threads ?? 0);
  }

  /** `shared`: sessions share the memory of the weights, so that there may be several. */
  static async load(
    weights: FormWeights,
    options: SessionOptions,
    { shared }: { shared: boolean },
  ): Promise<GraphForms> {
    const forms = new GraphForms(weights, options, shared ? LEANER : []);
    await forms.#load(WHOLE);
    return forms;
  }

  /** Loads another form, which blocks the thread for about as long as a load of the model. False: there is none left. */
  async loadNext(): Promise<boolean> {
    const next = this.#missing.shift();
    if (next !== undefined) await this.#load(next);
    return this.#missing.length > 0;
  }

  for(needs: GraphForm): FormSession {
    const form = this.#loaded.find((each) => does(each, needs));
    if (form === undefined) throw new Error(`no form of the graph can do a run for ${describe(needs)}`);
    return form;
  }

  async release(): Promise<void> {
    this.#missing.length = 0;
    await this.masses.release();
    for (const { session } of this.#loaded.splice(0)) await session.release();
  }

  async #load(form: GraphForm): Promise<void> {
    const { config, folder, tensors } = this.#weights;
    const graph = encodeDecoderGraph(config, tensors, optionsOf(form));
    this.#loaded.push({ ...form, session: await Session.load({ graph, folder }, this.#options) });
    this.#loaded.sort((one, other) => size(one) - size(other));
  }
}

export function optionsOf({ lora, oneToken }: GraphForm): GraphOptions {
  return { lora, oneToken, beside: !oneToken };
}

const describe = ({ lora, oneToken }: GraphForm): string => `ports ${lora}, ${oneToken ? 'one token' : 'any tokens'}`;

function does(form: GraphForm, { lora, oneToken }: GraphForm): boolean {
  return PORTS.indexOf(form.lora) >= PORTS.indexOf(lora) && (!form.oneToken || oneToken);
}

/** Ports count for more than what a second part takes. */
function size({ lora, oneToken }: GraphForm): number {
  return 2 * PORTS.indexOf(lora) + Number(!oneToken);
}
