/** Rows that begin where others left off, against rows that compute everything themselves, and against the oracle. */
import type { KvContents } from '../../../src/engine/kv-budget.js';
import { kvBytesPerPosition } from '../../../src/engine/kv-size.js';
import { loadModel } from '../../../src/engine/load-model.js';
import { EngineMemory } from '../../../src/engine/loaded-model.js';
import type { AdapterUse } from '../../../src/engine/protocol.js';
import type { ServedModel } from '../../../src/engine/served-model.js';
import { type Loaded, type TestDevice, testDevice } from '../support/devices.js';
import { DrivenRow, LIMITS, resident } from '../support/driven-row.js';
import { type CaseName, expectations } from '../support/golden.js';
import { largestDifference } from '../support/largest-difference.js';
import { wholeLogits } from '../support/whole-logits.js';

const GOLDEN_TOLERANCE = 1e-4;
/** The bar for a row that reuses against the same row alone. */
const REUSE_TOLERANCE = 1e-5;
/** Positions of a block on a GPU. */
const BLOCK = 64;

interface Row {
  name: string;
  contents: KvContents;
  adapters: readonly AdapterUse[];
  /** How many positions it found. */
  start: number;
}

let names = 0;

async function open(model: ServedModel, contents: KvContents, adapters: readonly AdapterUse[]): Promise<Row> {
  const name = `reusing ${names++}`;
  const { tokens } = contents;
  await resident(model, adapters);
  if (!model.kv.open(name, tokens.length, { ...contents, most: tokens.length - 1 })) throw new Error('no room');
  if (!model.bank.acquire(adapters)) throw new Error('The bank has no room.');
  return { name, contents, adapters, start: model.kv.reused?.(name) ?? 0 };
}

/** Computes what the rows didn't find, in one run. Returns each one's logits from there on. */
function run(model: ServedModel, rows: readonly Row[]): Promise<Float32Array[]> {
  return wholeLogits(
    model.run(
      rows.map(({ name, contents, adapters, start }) => {
        const rest = contents.tokens.slice(start);
        return { row: name, tokens: rest, start, adapters, logitsAt: [...rest.keys()] };
      }),
    ),
  );
}

function close(model: ServedModel, { name, contents, adapters }: Row): void {
  model.kv.close(name, contents);
  model.bank.release(adapters);
}

/** A row from its beginning to its end, which leaves all of it. */
async function pass(
  model: ServedModel,
  contents: KvContents,
  adapters: readonly AdapterUse[],
): Promise<{ start: number; logits: Float32Array }> {
  const row = await open(model, contents, adapters);
  const [logits] = await run(model, [row]);
  close(model, row);
  return { start: row.start, logits: logits! };
}

export function prefixReuseTests(device: TestDevice, name: CaseName, loaded: () => Loaded): void {
  const thorough = device === 'cpu';
  const tried = expectations(name).filter(({ steps }, i) => thorough || (steps.length === 3 && i % 2 === 1));

  test.each(thorough ? tried : tried.slice(0, 1))('$title', async (expectation) => {
    const { golden, model } = loaded();
    const { tokens, prompt, steps, title } = expectation;
    const uses = golden.uses(steps);
    const alone = await DrivenRow.alone(model, tokens, uses);
    // The first ends in the middle of what the second wants; the third finds the second.
    const first = await pass(model, { scope: title, tokens: prompt.slice(0, -1) }, uses);
    expect(first.start).toBe(0);
    for (const reused of [prompt.length - 1, tokens.length - 1]) {
      const { logits, start } = await pass(model, { scope: title, tokens }, uses);
      expect(start).toBe(reused);
      const from = start * model.config.vocabSize;
      expect(largestDifference(logits, alone.subarray(from))).toBeLessThanOrEqual(REUSE_TOLERANCE);
      const oracle = golden.logits(expectation).subarray(from);
      expect(largestDifference(logits, oracle)).toBeLessThanOrEqual(GOLDEN_TOLERANCE);
    }
  });

  const { steps } = expectations(name).find((each) => each.steps.length === 3)!;
  const tokensFrom = (first: number, length: number) => Array.from({ length }, (_, i) => (first + i * 7) % 80);

  // Mistral's window is shorter than these rows.
  const testLong = name === 'mistral' ? test.skip : test;
  testLong('several rows that begin alike, in one batch with one of another key', async () => {
    const { golden, model, memory } = loaded();
    const uses = golden.uses(steps);
    const long = tokensFrom(1, BLOCK + 12);
    await pass(model, { scope: 'path key', tokens: long }, uses);
    const before = { ...memory.prefixes.counts };
    const wanted = [
      { scope: 'path key', tokens: [...long.slice(0, -5), ...tokensFrom(40, 3)], found: long.length - 5 },
      { scope: 'path key', tokens: [...long.slice(0, -5), ...tokensFrom(50, 4)], found: long.length - 5 },
      { scope: 'path key', tokens: [...long.slice(0, BLOCK), ...tokensFrom(60, 6)], found: BLOCK },
      { scope: 'path key', tokens: [...long.slice(0, 30), ...tokensFrom(60, 6)], found: 30 },
      { scope: 'path other key', tokens: long.slice(0, 20), found: 0 },
      { scope: 'other path key', tokens: long.slice(0, 20), found: 0 },
    ];
    const rows: Row[] = [];
    for (const contents of wanted) rows.push(await open(model, contents, uses));
    expect(rows.map(({ start }) => start)).toEqual(wanted.map(({ found }) => found));
    const tokens = wanted.reduce((sum, { found }) => sum + found, 0);
    expect(memory.prefixes.counts).toMatchObject({ hits: before.hits + 4, tokens: before.tokens + tokens });
    if (device === 'webgpu') {
      // One block that three rows read, and one that each has for itself.
      const blocks = 1 + rows.length;
      expect(model.kv.usedBytes).toBe(blocks * BLOCK * kvBytesPerPosition(model.config));
    }
    const logits = device === 'webgpu' ? await run(model, rows) : [];
    // The CPU runs rows of different beginnings apart.
    if (device === 'cpu') for (const row of rows) logits.push(...(await run(model, [row])));
    for (const [i, row] of rows.entries()) {
      close(model, row);
      const alone = await DrivenRow.alone(model, row.contents.tokens, uses);
      const from = row.start * model.config.vocabSize;
      expect(largestDifference(logits[i]!, alone.subarray(from))).toBeLessThanOrEqual(REUSE_TOLERANCE);
    }
    expect(model.kv.usedBytes).toBe(0);
  });

  // A place of the CPU's cache may be several times what a row needs: its own tests count that.
  const testBlocks = device === 'webgpu' ? testLong : test.skip;
  testBlocks('rows that push out what others left, and those that want it then', async () => {
    const { golden, model } = loaded();
    const uses = golden.uses(steps);
    const kvBudgetBytes = 4 * BLOCK * kvBytesPerPosition(model.config);
    const limits = { ...LIMITS, kvBudgetBytes, prefixBudgetBytes: kvBudgetBytes };
    const memory = new EngineMemory(limits, undefined, testDevice(device));
    const small = await loadModel({ digest: name, folder: golden.checkpoint.folder }, limits, memory);
    const contents = { scope: 'left', tokens: tokensFrom(1, BLOCK + 20) };
    const long = { scope: 'long', tokens: tokensFrom(9, 3 * BLOCK - 30) };
    await pass(small, contents, uses);
    expect((await pass(small, contents, uses)).start).toBe(contents.tokens.length - 1);
    const pushing = await pass(small, long, uses);
    const again = await pass(small, contents, uses);
    await small.release();
    expect(pushing.start).toBe(0);
    expect(again.start).toBeLessThanOrEqual(BLOCK);
    for (const [{ start, logits }, { tokens }] of [[pushing, long] as const, [again, contents] as const]) {
      const alone = await DrivenRow.alone(model, tokens, uses);
      const from = start * model.config.vocabSize;
      expect(largestDifference(logits, alone.subarray(from))).toBeLessThanOrEqual(REUSE_TOLERANCE);
    }
  });
}
