/**
 * What the fuzz tests share. `npm test` runs a few inputs of each kind; `npm run fuzz -- --inputs=100000` spreads that many
 * over all of them, with another seed each time, which it prints.
 */
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';

/** Kinds of input: paths, safetensors, PEFT configs, whole adapters, multipart bodies, GraphQL documents. */
const KINDS = 6;

export const INPUTS = Math.ceil(Number(process.env['ESPALIER_FUZZ_INPUTS'] ?? 1_200) / KINDS);
export const SEED = Number(process.env['ESPALIER_FUZZ_SEED'] ?? 1);

/** No input may take longer to refuse. */
export const LIMIT_MS = 2_000;

export const PARAMETERS = { numRuns: INPUTS, seed: SEED, endOnFailure: true };

/** Bytes that began as a good file: some changed, put in, taken out, repeated, cut off; or no such file at all. */
export function damaged(good: Uint8Array): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: Math.max(0, good.length - 1) });
  const few = fc.uint8Array({ minLength: 1, maxLength: 12 });
  const change = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at, bytes: few }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes: few }),
    fc.record({ kind: fc.constant('remove' as const), at, length: fc.nat({ max: 64 }) }),
    fc.record({ kind: fc.constant('repeat' as const), at, length: fc.nat({ max: 64 }) }),
    fc.record({ kind: fc.constant('cut' as const), at }),
  );
  const changed = fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let bytes = Buffer.from(good);
    for (const each of changes) {
      const head = bytes.subarray(0, each.at);
      const tail = bytes.subarray(each.at);
      if (each.kind === 'set') bytes = Buffer.concat([head, each.bytes, tail.subarray(each.bytes.length)]);
      else if (each.kind === 'insert') bytes = Buffer.concat([head, each.bytes, tail]);
      else if (each.kind === 'remove') bytes = Buffer.concat([head, tail.subarray(each.length)]);
      else if (each.kind === 'repeat') bytes = Buffer.concat([head, tail.subarray(0, each.length), tail]);
      else bytes = Buffer.from(head);
    }
    return bytes;
  });
  const raw = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: raw });
}

/** JSON that began as a good value: fields gone, swapped for others, or doubled under odd names. */
export function damagedJson(good: Record<string, unknown>): fc.Arbitrary<Record<string, unknown>> {
  const odd = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom<unknown>(null, -1, 0, 1e308, 2 ** 53, '', '(', '(a+)+$', '\0', [], {}, true, '../../x', 'NaN'),
  );
  const change = fc.record({
    key: fc.oneof(fc.constantFrom(...Object.keys(good)), fc.string({ maxLength: 12 })),
    value: odd,
    drop: fc.boolean(),
  });
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const entries = new Map(Object.entries(good));
    for (const { key, value, drop } of changes) {
      if (drop) entries.delete(key);
      else entries.set(key, value);
    }
    return Object.fromEntries(entries);
  });
}

/** Takes the input, or refuses it with an error of ours that blames the caller, soon. */
export async function takenOrRefused(input: () => unknown): Promise<void> {
  const began = performance.now();
  try {
    await input();
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    if (error.status >= 500) throw error;
  }
  const tookMs = performance.now() - began;
  if (tookMs > LIMIT_MS) throw new Error(`it took ${Math.round(tookMs)} ms`);
}
