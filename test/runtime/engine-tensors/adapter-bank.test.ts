/** The bank: loading, references, eviction, and that what a run is fed are the rows of the adapters that it names. */
import fc from 'fast-check';
import { AdapterBank } from '../../../src/engine/adapter-bank.js';
import { type FoldedAdapter, foldedAdapter } from '../../../src/engine/folded-adapter.js';
import { HostCache } from '../../../src/engine/host-cache.js';
import type { AdapterUse } from '../../../src/engine/protocol.js';
import type { ModelConfig } from '../../../src/formats/checkpoint/model-config.js';
import { linearModules, PROJECTIONS } from '../../../src/formats/checkpoint/modules.js';
import { NonFiniteAdapterError } from '../../../src/errors/adapters.js';
import { InvalidFileError } from '../../../src/errors/files.js';

const CONFIG: ModelConfig = {
  modelType: 'llama',
  vocabSize: 11,
  hiddenSize: 6,
  intermediateSize: 10,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  rmsNormEps: 1e-5,
  rope: { theta: 10000, scaling: { type: 'default' } },
  maxPositions: 100,
  tiedEmbeddings: false,
  bias: { qkv: false, o: false, mlp: false },
  qkNorm: false,
};

const modules = linearModules(CONFIG);

/** Every value of an adapter's row r in a module: tells adapters, modules and rows apart. */
const mark = (adapter: number, module: number, r: number): number => adapter * 10_000 + module * 100 + r + 1;

function makeAdapter(index: number, ranks: Record<string, number>): FoldedAdapter {
  const deltas = modules.flatMap(({ name, projection, inFeatures, outFeatures }, module) => {
    const rank = ranks[projection];
    if (rank === undefined) return [];
    const rows = (width: number) =>
      Float32Array.from({ length: rank * width }, (_, i) => mark(index, module, Math.floor(i / width)));
    return [[name, { rank, inFeatures, outFeatures, a: rows(inFeatures), b: rows(outFeatures) }] as const];
  });
  return foldedAdapter(`adapter-${index}`, new Map(deltas));
}

const RANKS: Record<string, number>[] = [
  { q_proj: 2, v_proj: 2 },
  { q_proj: 8, k_proj: 8, v_proj: 8, o_proj: 8 },
  { gate_proj: 3, up_proj: 5 },
  { q_proj: 1, down_proj: 6, lm_head: 4 },
  { q_proj: 5 },
  Object.fromEntries(PROJECTIONS.map((projection) => [projection, 4])),
];
const ADAPTERS = RANKS.map((ranks, i) => makeAdapter(i, ranks));

const use = (index: number): AdapterUse => {
  const { digest, rank } = ADAPTERS[index]!;
  return { digest, weight: 1, rank, configFile: `/c${index}`, weightsFile: `/w${index}` };
};

/** A disk whose reads end when the test says so. */
class Disk {
  readonly reads: string[] = [];
  readonly #pending = new Map<string, { give: (adapter: FoldedAdapter) => void; fail: (error: Error) => void }>();
  readonly read = ({ digest }: AdapterUse): Promise<FoldedAdapter> => {
    this.reads.push(digest);
    return new Promise((give, fail) => this.#pending.set(digest, { give, fail }));
  };

  async finish(digest: string): Promise<void> {
    this.#pending.get(digest)!.give(ADAPTERS.find((adapter) => adapter.digest === digest)!);
    await new Promise(setImmediate);
  }

  async fail(digest: string, error: Error): Promise<void> {
    this.#pending.get(digest)!.fail(error);
    await new Promise(setImmediate);
  }
}

function setUp({ rankBudget = 64, hostBytes = 1e9 } = {}): {
  bank: AdapterBank;
  disk: Disk;
  host: HostCache;
} {
  const disk = new Disk();
  const host = new HostCache(hostBytes);
  return { bank: new AdapterBank(CONFIG, { rankBudget, host, source: disk.read }), disk, host };
}

/** For one row that waits for all of them, and for nobody else. */
async function load({ bank, disk }: { bank: AdapterBank; disk: Disk }, ...indices: number[]): Promise<void> {
  bank.expect([indices.map(use)]);
  for (const index of indices) {
    if (bank.state(use(index).digest) === 'loading') await disk.finish(use(index).digest);
  }
}

/** Each adapter's rows in the feed are its own; `exact`: and there are no others. */
function expectFed(bank: AdapterBank, indices: readonly number[], tokens: number, exact = false): void {
  const feeds = bank.feed(new Set(indices.map((index) => use(index).digest)), tokens, exact);
  expect(feeds).toHaveLength(PROJECTIONS.length);
  // Collected, because thousands of expectations are slow.
  const wrong: string[] = [];
  for (const [p, { rows, spans, tensors }] of feeds.entries()) {
    const needed = [...new Set(indices)].reduce((sum, index) => sum + (RANKS[index]![PROJECTIONS[p]!] ?? 0), 0);
    if (exact || needed === 0 ? rows !== needed : rows < needed) wrong.push(`${PROJECTIONS[p]!} is fed ${rows} rows`);
    const byName = new Map(tensors);
    for (const [m, { name, projection, inFeatures, outFeatures }] of modules.entries()) {
      if (projection !== PROJECTIONS[p]) continue;
      for (const [fed, width] of [
        [byName.get(`lora_a.${name}`)!, inFeatures],
        [byName.get(`lora_b.${name}`)!, outFeatures],
      ] as const) {
        if (fed.dims.join() !== `${rows},${width}`) wrong.push(`${name} is fed [${fed.dims.join()}]`);
        for (const index of indices) {
          const rank = RANKS[index]![projection] ?? 0;
          const span = spans.get(use(index).digest) ?? { offset: 0, rank: 0 };
          if (span.rank !== rank) wrong.push(`${name} has ${span.rank} rows of ${index}`);
          const begin = span.offset * width;
          for (let i = 0; i < rank * width; i++) {
            if (fed.data[begin + i] !== mark(index, m, Math.floor(i / width))) wrong.push(`${name}, ${index}: ${i}`);
          }
        }
      }
    }
  }
  expect(wrong).toEqual([]);
}

describe('loading', () => {
  test('is asked for once, and ends resident', async () => {
    const set = setUp();
    let settled = 0;
    set.bank.onSettled(() => settled++);
    const { digest } = use(0);
    expect(set.bank.state(digest)).toBe('absent');
    expect(set.bank.acquire([use(0)])).toBe(false);
    set.bank.prefetch(use(0));
    set.bank.prefetch(use(0));
    expect(set.bank.state(digest)).toBe('loading');
    expect(set.bank.acquire([use(0)])).toBe(false);
    await set.disk.finish(digest);
    expect(set.bank.state(digest)).toBe('resident');
    expect(settled).toBe(1);
    set.bank.prefetch(use(0));
    expect(set.disk.reads).toEqual([digest]);
    expect(set.bank.acquire([use(0)])).toBe(true);
  });

  test('that failed says why, until it is asked for again', async () => {
    const set = setUp();
    const { digest } = use(1);
    set.bank.prefetch(use(1));
    await set.disk.fail(digest, new NonFiniteAdapterError(digest, 'q_proj'));
    expect(set.bank.state(digest)).toBe('absent');
    expect(set.bank.failure(digest)).toMatchObject({ code: 'non_finite_adapter', details: { digest } });
    set.bank.prefetch(use(1));
    expect(set.bank.failure(digest)).toBeNull();
    await set.disk.fail(digest, new InvalidFileError('/blobs/torn', 'is torn'));
    expect(set.bank.failure(digest)).toMatchObject({ code: 'adapter_load_failed', status: 500 });
    expect(JSON.stringify(set.bank.failure(digest))).not.toContain('torn');
    set.bank.prefetch(use(1));
    await set.disk.finish(digest);
    expect(set.bank.state(digest)).toBe('resident');
  });

  test('for a waiting row is not undone by loading for others, until it no longer waits', async () => {
    const set = setUp({ hostBytes: ADAPTERS[1]!.bytes + 1 });
    await load(set, 1, 0);
    expect(set.bank.acquire([use(1), use(0)])).toBe(true);
    set.bank.expect([]);
    set.bank.release([use(1), use(0)]);
    // Both became ordinary entries, which fit one after the other; what the bank still has is resident all the same.
    expect(set.host.bytes).toBeLessThanOrEqual(set.host.limitBytes);
    expect(set.bank.state(use(1).digest)).toBe('resident');

    await load(set, 5);
    await load(set, 3);
    expect(set.host.has(use(5).digest)).toBe(false);
    expect(set.bank.state(use(5).digest)).toBe('absent');
    expect(set.bank.state(use(3).digest)).toBe('resident');
  });
});

describe('reading ahead', () => {
  const digests = (...indices: number[]): string[] => indices.map((index) => use(index).digest);
  const states = (bank: AdapterBank, ...indices: number[]): string[] =>
    digests(...indices).map((digest) => bank.state(digest));

  test('begins with all that waiting rows lack, a few at a time, and goes on as soon as one has been read', async () => {
    const set = setUp();
    const rows = [[use(0), use(1)], [use(2)], [use(3), use(1)], [use(4), use(5)]];
    set.bank.expect(rows);
    expect(set.disk.reads).toEqual(digests(0, 1, 2, 3));
    await set.disk.finish(use(2).digest);
    set.bank.expect(rows);
    expect(set.disk.reads).toEqual(digests(0, 1, 2, 3, 4));
    expect(states(set.bank, 0, 1, 2, 3, 4, 5)).toEqual([
      'loading',
      'loading',
      'resident',
      'loading',
      'loading',
      'absent',
    ]);
  });

  test('goes as far as there is room, by what such adapters have taken so far', async () => {
    const set = setUp({ hostBytes: 2 * ADAPTERS[5]!.bytes });
    const rows = [[use(5)], [use(0)], [use(4)]];
    set.bank.expect(rows);
    // Nothing has been read, so each may be as large as its rank allows.
    expect(set.disk.reads).toEqual(digests(5, 0));
    await set.disk.finish(use(5).digest);
    set.bank.expect(rows);
    expect(states(set.bank, 5, 0, 4)).toEqual(['resident', 'loading', 'absent']);
    expect(set.bank.acquire([use(5)])).toBe(true);
    set.bank.expect(rows.slice(1));
    expect(states(set.bank, 0, 4)).toEqual(['loading', 'loading']);
    for (const index of [0, 4]) await set.disk.finish(use(index).digest);
    set.bank.expect(rows.slice(1));
    expect(set.host.bytes).toBeLessThanOrEqual(set.host.limitBytes);
  });

  test('for a row that left is given up where it had not begun, and else becomes an ordinary entry', async () => {
    const set = setUp({ hostBytes: ADAPTERS[1]!.bytes });
    set.bank.expect([[use(0), use(1), use(2), use(3)], [use(4)]]);
    const reads = digests(0, 1, 2, 3);
    expect(set.disk.reads).toEqual(reads);
    set.bank.expect([]);
    for (const index of [0, 1, 2, 3]) await set.disk.finish(use(index).digest);
    expect(set.disk.reads).toEqual(reads);
    expect(set.host.bytes).toBeLessThanOrEqual(set.host.limitBytes);
    // Room is all that it costs others: none.
    set.bank.expect([[use(4)]]);
    await set.disk.finish(use(4).digest);
    expect(set.host.bytes).toBeLessThanOrEqual(set.host.limitBytes);
    expect(set.bank.acquire([use(4)])).toBe(true);
  });

  test('for a row that left goes on where another wants the same', async () => {
    const set = setUp({ hostBytes: ADAPTERS[1]!.bytes });
    set.bank.expect([[use(0)], [use(0), use(1)]]);
    set.bank.expect([[use(0), use(1)]]);
    await set.disk.finish(use(0).digest);
    await set.disk.finish(use(1).digest);
    expect(states(set.bank, 0, 1)).toEqual(['resident', 'resident']);
    expect(set.disk.reads).toEqual(digests(0, 1));
  });

  test('finds what rows of another model on the same host memory have read', async () => {
    const set = setUp();
    await load(set, 0);
    const other = new AdapterBank(CONFIG, { rankBudget: 64, host: set.host, source: set.disk.read });
    other.expect([[use(0)]]);
    expect(other.state(use(0).digest)).toBe('resident');
    expect(set.disk.reads).toEqual(digests(0));
  });
});

test('where a row finds its adapters is counted once, and not for a row that does not begin', async () => {
  const set = setUp({ rankBudget: 16 });
  const counts = (): unknown[] => {
    const { bankHits, hostHits, misses, bankLoads, reads, readFailures } = set.bank.stats.counts;
    return [bankHits, hostHits, misses, bankLoads, reads, readFailures];
  };
  await load(set, 0, 1);
  expect(counts()).toEqual([0, 0, 0, 0, 2, 0]);
  const row = [use(0), use(1)];
  expect(set.bank.acquire(row)).toBe(true);
  expect(counts()).toEqual([0, 0, 2, 2, 2, 0]);
  set.bank.release(row, false);
  expect(counts()).toEqual([0, 0, 0, 2, 2, 0]);
  expect(set.bank.acquire([use(0), use(0)])).toBe(true);
  expect(counts()).toEqual([1, 0, 0, 2, 2, 0]);
  await load(set, 2, 3);
  expect(set.bank.acquire([use(2)])).toBe(true);
  set.bank.release([use(2)]);
  set.bank.release([use(0), use(0)]);
  expect(set.bank.acquire([use(3)])).toBe(true);
  set.bank.release([use(3)]);
  const before = set.bank.stats.counts.hostHits;
  for (const index of [0, 1, 2, 3]) {
    expect(set.bank.acquire([use(index)])).toBe(true);
    set.bank.release([use(index)]);
  }
  const { bankHits, hostHits, misses } = set.bank.stats.counts;
  expect(bankHits + hostHits + misses).toBe(7);
  expect(hostHits).toBeGreaterThan(before);
});

test('an adapter that comes back from the bank is kept in host memory no longer', async () => {
  const set = setUp({ hostBytes: ADAPTERS[1]!.bytes });
  await load(set, 0);
  for (const rows of [1, 2]) {
    set.bank.expect([[use(0)]]);
    expect(set.bank.acquire([use(0)])).toBe(true);
    set.bank.expect([]);
    set.bank.release([use(0)]);
    expect([rows, set.host.has(use(0).digest)]).toEqual([rows, true]);
  }
  await load(set, 1);
  expect(set.host.has(use(0).digest)).toBe(false);
});

describe('references', () => {
  test('are counted: an adapter stays as long as one row uses it', async () => {
    const set = setUp({ rankBudget: 8 });
    await load(set, 0, 1, 4);
    expect(set.bank.acquire([use(0)])).toBe(true);
    expect(set.bank.acquire([use(0), use(4)])).toBe(true);
    expect(set.bank.usedRanks).toBe(7);
    // 8 ranks more don't fit beside them, and nothing changed.
    expect(set.bank.acquire([use(0), use(1)])).toBe(false);
    expect(set.bank.usedRanks).toBe(7);
    set.bank.release([use(0), use(4)]);
    expect(set.bank.usedRanks).toBe(2);
    expect(set.bank.acquire([use(1)])).toBe(false);
    set.bank.release([use(0)]);
    expect(set.bank.acquire([use(1)])).toBe(true);
    expect(set.bank.usedRanks).toBe(8);
    expectFed(set.bank, [1], 1);
    // Their rows are overwritten; host memory has them still.
    expect(set.bank.stats.counts.bankEvictions).toBe(2);
    expect(set.bank.state(use(0).digest)).toBe('resident');
  });

  test.each([
    [7, false],
    [8, true],
    [9, true],
  ])('a budget of %i ranks takes an adapter of 8: %s', async (rankBudget, fits) => {
    const set = setUp({ rankBudget });
    await load(set, 1);
    expect(set.bank.acquire([use(1)])).toBe(fits);
  });

  test('the same adapter twice on a path is two references and one span', async () => {
    const set = setUp({ rankBudget: 5 });
    await load(set, 4);
    expect(set.bank.acquire([use(4), use(4)])).toBe(true);
    expect(set.bank.usedRanks).toBe(5);
    set.bank.release([use(4)]);
    expectFed(set.bank, [4], 1);
    set.bank.release([use(4)]);
    expect(set.bank.usedRanks).toBe(0);
    expect(() => set.bank.release([use(4)])).toThrow('more often');
  });

  test('a cold adapter comes back without a copy, where its rows are still there', async () => {
    const set = setUp();
    await load(set, 0, 1);
    set.bank.acquire([use(0), use(1)]);
    set.bank.release([use(1)]);
    const { adapters, counts } = set.bank.stats;
    const { bankLoads, bankEvictions } = counts;
    expect(set.bank.acquire([use(1)])).toBe(true);
    expect(set.bank.stats).toMatchObject({ adapters, counts: { bankLoads, bankEvictions } });
    expectFed(set.bank, [0, 1], 1);
  });

  test('an adapter that no projection of a run touches feeds no rows', async () => {
    const set = setUp();
    await load(set, 2);
    set.bank.acquire([use(2)]);
    expectFed(set.bank, [], 4);
    expectFed(set.bank, [2], 4);
    const [q] = set.bank.feed(new Set([use(2).digest]), 4);
    expect(q!.rows).toBe(0);
  });
});

test('a set of adapters that keeps running is fed just its own rows in the end', async () => {
  const set = setUp();
  // 1 lies between 0 and 4.
  await load(set, 0, 1, 4);
  set.bank.acquire([use(0), use(1), use(4)]);
  const rows = () => set.bank.feed(new Set([use(0).digest, use(4).digest]), 1)[0]!.rows;
  expect(rows()).toBe(2 + 8 + 5);
  const before = set.bank.stats.bytes;
  for (let run = 0; run < 10; run++) rows();
  expect(rows()).toBe(2 + 5);
  expectFed(set.bank, [0, 4], 1);
  expect(set.bank.stats.bytes).toBeGreaterThan(before);
  set.bank.release([use(4)]);
  expect(set.bank.stats.bytes).toBe(before);
});

describe('memory that nothing needed', () => {
  /** Of rank 4 on every projection. */
  const many = Array.from({ length: 24 }, (_, i) => {
    const { deltas } = makeAdapter(0, RANKS[5]!);
    return foldedAdapter(`many-${i}`, deltas);
  });
  const uses = many.map(({ digest, rank }): AdapterUse => ({ ...use(0), digest, rank }));
  const rowBytes = modules.reduce((sum, { inFeatures, outFeatures }) => sum + 4 * (inFeatures + outFeatures), 0);
  let bank: AdapterBank;
  let host: HostCache;
  beforeEach(() => {
    ({ bank, host } = setUp({ rankBudget: 512 }));
    for (const adapter of many) host.put(adapter);
    bank.expect([uses]);
    bank.expect([]);
  });
  const rows = (): number => bank.stats.bytes / rowBytes;

  test('is given back once it has rested from one call to the next, and not before', () => {
    bank.acquire(uses);
    expect(rows()).toBe(128);
    bank.rest();
    bank.release(uses);
    bank.rest();
    // 96 rows were in use since.
    expect([rows(), bank.stats.adapters]).toEqual([128, 24]);
    bank.rest();
    expect([rows(), bank.stats.adapters, bank.stats.counts.bankEvictions]).toEqual([32, 8, 16]);
    for (const { digest } of uses) expect(bank.state(digest)).toBe('resident');
    expect(bank.acquire(uses)).toBe(true);
    expect(rows()).toBe(128);
  });

  test('is not what runs, nor what has run meanwhile; and half of it may rest', () => {
    bank.acquire(uses);
    bank.release(uses.slice(10));
    bank.rest();
    bank.acquire(uses.slice(10, 16));
    bank.release(uses.slice(10, 16));
    bank.rest();
    // 64 of 128 rows were.
    expect(rows()).toBe(128);
    bank.release(uses.slice(9, 10));
    const before = bank.feed(new Set(uses.slice(0, 9).map(({ digest }) => digest)), 1).map((feed) => copyOf(feed));
    bank.rest();
    expect([rows(), bank.stats.adapters]).toEqual([40, 10]);
    const after = bank.feed(new Set(uses.slice(0, 9).map(({ digest }) => digest)), 1).map((feed) => copyOf(feed));
    expect(after).toEqual(before);
    // Nor does it go back and forth: what comes back doubles it, and then it stays.
    for (let round = 0; round < 3; round++) {
      bank.acquire(uses.slice(9, 12));
      bank.rest();
      bank.release(uses.slice(9, 12));
      bank.rest();
      expect(rows()).toBe(80);
    }
  });

  function copyOf({ rows: count, tensors }: ReturnType<AdapterBank['feed']>[number]): unknown {
    return [count, tensors.map(([name, { dims, data }]) => [name, dims, Array.from(data as Float32Array)])];
  }
});

test('whatever comes and goes, each run is fed the rows of its adapters', async () => {
  const command = fc.record({
    acquire: fc.boolean(),
    path: fc.array(fc.integer({ min: 0, max: ADAPTERS.length - 1 }), { minLength: 1, maxLength: 3 }),
    pick: fc.nat(),
    tokens: fc.constantFrom(1, 16, 500),
    exact: fc.boolean(),
    rests: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 40 }), async (commands) => {
      const set = setUp({ rankBudget: 16, hostBytes: ADAPTERS[1]!.bytes * 2 });
      const held: number[][] = [];
      for (const { acquire, path, pick, tokens, exact, rests } of commands) {
        if (rests) set.bank.rest();
        if (acquire) {
          await load(set, ...path);
          if (set.bank.acquire(path.map(use))) held.push(path);
        } else if (held.length > 0) {
          set.bank.release(held.splice(pick % held.length, 1)[0]!.map(use));
        }
        const inUse = [...new Set(held.flat())];
        expect(set.bank.usedRanks).toBe(inUse.reduce((sum, index) => sum + ADAPTERS[index]!.rank, 0));
        expect(set.bank.usedRanks).toBeLessThanOrEqual(16);
        if (held.length > 0) expectFed(set.bank, held[pick % held.length]!, tokens, exact);
        if (held.length > 0) expectFed(set.bank, inUse, tokens, exact);
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);
