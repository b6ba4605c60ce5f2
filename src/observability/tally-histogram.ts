/** A histogram whose counts are kept elsewhere: in the engine process, which reports them with its statistics. */
import { Histogram, type Registry } from 'prom-client';
import type { Tally } from '../engine/lane-times.js';

export interface TallyHistogramOptions {
  name: string;
  help: string;
  label: string;
  registry: Registry;
  /** By the label's value. */
  tallies: () => Readonly<Record<string, Tally>>;
}

/** One line of what is printed. */
interface Value {
  metricName: string;
  labels: Record<string, string | number>;
  sharedLabels: Record<string, string>;
  value: number;
}

export class TallyHistogram extends Histogram {
  readonly #options: TallyHistogramOptions;

  constructor(options: TallyHistogramOptions) {
    super({ name: options.name, help: options.help, labelNames: [options.label], registers: [options.registry] });
    this.#options = options;
  }

  /** What the registry prints. */
  getForPromString(): Promise<{ name: string; help: string; type: string; values: Value[] }> {
    const { name, help, label, tallies } = this.#options;
    const values = Object.entries(tallies()).flatMap(([of, tally]) => linesOf(name, { [label]: of }, tally));
    return Promise.resolve({ name, help, type: 'histogram', values });
  }
}

function linesOf(name: string, labels: Record<string, string>, { bounds, counts, sum }: Tally): Value[] {
  const line = (suffix: string, value: number, more: Value['labels'] = {}): Value => ({
    metricName: `${name}_${suffix}`,
    labels: { ...labels, ...more },
    sharedLabels: {},
    value,
  });
  let count = 0;
  const buckets = [...bounds, '+Inf'].map((le, i) => line('bucket', (count += counts[i] ?? 0), { le }));
  return [...buckets, line('sum', sum), line('count', count)];
}
