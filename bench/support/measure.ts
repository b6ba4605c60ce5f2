/** What the benchmarks share: flags, quantiles and a plain table. */

/** `--name=value` from the command line. */
export function flag(name: string, fallback: number): number {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!Number.isFinite(value)) throw new Error(`--${name}=${given} is no number.`);
  return value;
}

/** `--name=text` from the command line; null where it isn't given. */
export function text(name: string): string | null {
  return process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? null;
}

/** `--name=text` from the command line, one of `options`. */
export function choice<Option extends string>(name: string, options: readonly Option[], fallback: Option): Option {
  const given = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3) ?? fallback;
  const option = options.find((each) => each === given);
  if (option === undefined) throw new Error(`--${name}=${given} is none of ${options.join(', ')}.`);
  return option;
}

/**
 * Milliseconds that pass, or with `--clock=processor` those that this process computes: on a busy machine, and with
 * --threads=1, what it would take on a quiet one, but for what others leave of caches and memory.
 */
export function clockMs(): number {
  if (choice('clock', ['wall', 'processor'], 'wall') === 'wall') return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The value under which the share `q` of the samples lies (nearest rank). */
export function quantile(samples: Float64Array, q: number): number {
  const sorted = samples.toSorted();
  return sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? NaN;
}

/** Of an even number, the mean of the middle two. */
export function median(samples: readonly number[]): number {
  const sorted = Float64Array.from(samples).sort();
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

export function collectGarbage(): void {
  if (!globalThis.gc) throw new Error('Run this with --expose-gc, as `npm run bench` does.');
  globalThis.gc();
}

export function printTable(rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([label]) => label.length));
  for (const [label, value] of rows) process.stdout.write(`${label.padEnd(width)}  ${value}\n`);
}
