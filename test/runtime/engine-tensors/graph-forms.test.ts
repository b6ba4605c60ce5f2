/** The forms of a model's graph over one copy of its weights, and the file that they map. */
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GraphForms, type GraphForm } from '../../../src/engine/graph-forms.js';
import type { LoadedModel } from '../../../src/engine/loaded-model.js';
import { packedWeights } from '../../../src/engine/packed-weights.js';
import { planShared } from '../../../src/engine/port-plan.js';
import type { AdapterUse } from '../../../src/engine/protocol.js';
import { largestDifference } from '../../conformance/support/largest-difference.js';
import { PORT_FORMS } from '../../conformance/support/port-forms.js';
import { alone, Row } from './support/conversation.js';
import { everyLinear, TinyModel, use } from './support/tiny-model.js';
import { wholeLogits } from '../../conformance/support/whole-logits.js';

const TOLERANCE = 1e-5;
const PROMPT = [5, 9, 2, 33, 60, 7, 7, 1];

describe('forms of a graph', () => {
  let tiny: TinyModel;
  let root: string;
  beforeAll(async () => {
    tiny = await TinyModel.create();
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier packed '));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  afterAll(() => tiny.remove());

  const adapters = () => [
    tiny.adapter('parent', everyLinear(4), 1),
    tiny.adapter('child', { q_proj: 3, lm_head: 2 }, 2),
  ];

  async function withBoth(body: (forms: LoadedModel, whole: LoadedModel) => Promise<void>): Promise<void> {
    const forms = await tiny.load({ packedFolder: root }, adapters());
    const whole = await tiny.load({}, adapters());
    try {
      await body(forms, whole);
    } finally {
      await forms.release();
      await whole.release();
    }
  }

  /** Rows of one token a run, all together: the logits of each. */
  async function stepByStep(model: LoadedModel, paths: readonly (readonly AdapterUse[])[]): Promise<Float32Array[]> {
    const rows = paths.map((path, i) => new Row(model, `step ${i}`, path, 1));
    const all = rows.map((): number[] => []);
    for (const token of PROMPT) {
      const logits = await wholeLogits(await model.run(rows.map((row) => row.feed([token]))));
      for (const [i, ofRow] of logits.entries()) all[i]!.push(...ofRow);
    }
    for (const row of rows) row.close();
    return all.map((ofRow) => Float32Array.from(ofRow));
  }

  const open = (folder: string) => packedWeights(tiny.checkpoint, { root: folder, digest: 'tiny', threads: 1 });

  test('each computes what the whole one computes, as more and more of them are there', () =>
    withBoth(async (forms, whole) => {
      expect(forms.drawback).toBeUndefined();
      const [parent, child] = adapters();
      const paths = [[], [use(parent!)], [use(parent!), use(child!)], [use(parent!), use(child!, 0.5)]];
      const wanted: Float32Array[] = [];
      for (const path of paths) wanted.push(await alone(whole, path, PROMPT));
      let more = true;
      for (let loaded = 1; more; loaded++) {
        for (const [i, path] of paths.entries()) {
          expect(largestDifference(await alone(forms, path, PROMPT), wanted[i]!)).toBeLessThanOrEqual(TOLERANCE);
        }
        more = await forms.prepare();
        expect(loaded).toBeLessThan(10);
      }
    }));

  test.each(PORT_FORMS)('for one token a row, from the first one on: %s', (_, planner) =>
    withBoth(async (forms, whole) => {
      while (await forms.prepare()) continue;
      const [parent, child] = adapters();
      const [one, two] = [[use(parent!)], [use(parent!), use(child!, 0.5)]];
      for (const model of [forms, whole]) model.ports.planner = planner;
      for (const paths of [[[]], [[], []], [one], [two, two], [one, two, []]]) {
        const ours = await stepByStep(forms, paths);
        const wanted = await stepByStep(whole, paths);
        for (const [i, logits] of ours.entries()) {
          expect(largestDifference(logits, wanted[i]!)).toBeLessThanOrEqual(TOLERANCE);
        }
      }
    }),
  );

  test('rows change between them from step to step', () =>
    withBoth(async (forms, whole) => {
      while (await forms.prepare()) continue;
      const [parent] = adapters();
      const logitsOf = async (model: LoadedModel): Promise<Float32Array[]> => {
        const base = new Row(model, 'base', [], 1);
        const path = new Row(model, 'path', [use(parent!)], 1);
        const late = new Row(model, 'late', [], 1);
        const all: Float32Array[] = [];
        all.push(...(await wholeLogits(model.run([base.feed(PROMPT)]))));
        // With ports; without; two parts without ports; two parts with.
        all.push(...(await wholeLogits(model.run([path.feed(PROMPT)], [base.feed([3])]))));
        all.push(...(await wholeLogits(model.run([base.feed([4])]))));
        all.push(...(await wholeLogits(model.run([base.feed([8])], [late.feed(PROMPT.slice(0, 5))]))));
        all.push(...(await wholeLogits(model.run([path.feed([11])], [late.feed([1, 2])]))));
        all.push(...(await wholeLogits(model.run([base.feed([6])]))));
        for (const row of [base, path, late]) row.close();
        return all;
      };
      const [ours, wanted] = [await logitsOf(forms), await logitsOf(whole)];
      expect(ours).toHaveLength(wanted.length);
      for (const [i, logits] of ours.entries()) {
        expect(largestDifference(logits, wanted[i]!)).toBeLessThanOrEqual(TOLERANCE);
      }
    }));

  test('a run gets the leanest that is there and can do it', async () => {
    const packed = (await open(root))!;
    const forms = await GraphForms.load(
      { config: tiny.checkpoint.config, ...packed },
      { threads: 1 },
      { shared: true },
    );
    const got = (needs: GraphForm): GraphForm => {
      const { lora, oneToken } = forms.for(needs);
      return { lora, oneToken };
    };
    const bare = { lora: 'none', oneToken: true } as const;
    expect(got(bare)).toEqual({ lora: 'ports', oneToken: false });
    while (await forms.loadNext()) continue;
    expect(got(bare)).toEqual(bare);
    expect(got({ lora: 'none', oneToken: false })).toEqual({ lora: 'none', oneToken: false });
    expect(got({ lora: 'path', oneToken: true })).toEqual({ lora: 'path', oneToken: true });
    expect(got({ lora: 'path', oneToken: false })).toEqual({ lora: 'shared', oneToken: false });
    for (const lora of ['shared', 'ports'] as const) {
      for (const oneToken of [false, true]) expect(got({ lora, oneToken })).toEqual({ lora, oneToken });
    }
    expect(new Set(forms.for(bare).session.inputNames)).not.toContain('is_beside');
    await forms.release();
  });

  test('a run needs no mask where all of its rows take one path, and every rank row that is fed is theirs', async () => {
    const model = await tiny.load({}, adapters());
    const [parent, child] = adapters().map((adapter) => use(adapter));
    model.bank.acquire([parent!, child!]);
    model.ports.planner = planShared;
    const used = (...paths: AdapterUse[][]): string => {
      const rows = paths.map((path, i) => ({ row: `${i}`, tokens: [1], start: 0, adapters: path, logitsAt: [] }));
      return model.ports.feed({ parts: [{ rows, tokens: 1, capacity: 0 }], alone: false }).used;
    };
    const path = [parent!, child!];
    expect(used([], [])).toBe('none');
    expect(used(path)).toBe('path');
    expect(used(path, path, [{ ...parent! }, { ...child! }])).toBe('path');
    expect(used([parent!])).toBe('path');
    expect(used(path, [parent!])).toBe('shared');
    expect(used(path, [])).toBe('shared');
    expect(used([parent!, { ...child!, weight: 0.5 }])).toBe('shared');
    // The same revision at two nodes counts twice.
    expect(used([parent!, child!, parent!])).toBe('shared');
    await model.release();
  });

  test('the file is made once', async () => {
    const { folder, tensors } = (await open(root))!;
    const made = await stat(join(folder, 'weights.bin'));
    const again = (await open(root))!;
    expect(again.folder).toBe(folder);
    expect([...again.tensors.keys()]).toEqual([...tensors.keys()]);
    expect((await stat(join(folder, 'weights.bin'))).mtimeMs).toBe(made.mtimeMs);
    expect(await readdir(root)).toHaveLength(1);
    for (const name of tiny.checkpoint.tensors.keys()) expect(tensors.has(name)).toBe(true);
    // What kernels read through pointers must lie as they would have it.
    const ranges = [...tensors.values()].flatMap(({ packed = [] }) => packed.map(([, value]) => value));
    expect(ranges.length).toBeGreaterThan(0);
    for (const range of ranges) expect(Number(range.split('|')[1]?.split(';')[0]) % 4096).toBe(0);
  });

  test.each([
    [
      'rewritten',
      async (folder: string) => writeFile(join(folder, 'weights.bin'), await readFile(join(folder, 'weights.bin'))),
    ],
    ['cut off', (folder: string) => truncate(join(folder, 'weights.bin'), 4096)],
    ['without an index', (folder: string) => rm(join(folder, 'weights.json'))],
    ['with half an index', (folder: string) => writeFile(join(folder, 'weights.json'), '{"model.nor')],
  ])('a file that is %s is made anew', async (_, damage) => {
    const { folder } = (await open(root))!;
    const bytes = await readFile(join(folder, 'weights.bin'));
    await damage(folder);
    const again = (await open(root))!;
    expect((await readFile(join(again.folder, 'weights.bin'))).equals(bytes)).toBe(true);
    expect(await readdir(root)).toHaveLength(1);
  });

  test('several that make it at once find it', async () => {
    const made = await Promise.all(Array.from({ length: 3 }, () => open(root)));
    expect(new Set(made.map((packed) => packed?.folder)).size).toBe(1);
    expect(await readdir(root)).toHaveLength(1);
  });

  test('where it can be kept nowhere, the model is served all the same', async () => {
    const file = join(root, 'a file');
    await writeFile(file, '');
    const model = await tiny.load({ packedFolder: file }, adapters());
    expect(model.drawback).toContain(file);
    expect(await model.prepare()).toBe(false);
    expect((await alone(model, [use(adapters()[0]!)], PROMPT)).every(Number.isFinite)).toBe(true);
    await model.release();
  });
});
