/** The runtime itself, under jest: tensors go in and come out as arrays that both sides know. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32, int64, Session } from '../../src/engine/ort.js';
import { DataType, encodeModel } from '../../src/formats/onnx/model.js';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { Add, Cast, Gemm } from '../../src/graph/ops.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'espalier-session-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** y = x·w + float(ids), w: [R, 3] with R as fed. */
async function load(): Promise<Session> {
  const g = new GraphBuilder();
  const x = g.input('x', DataType.float32, ['N', 'R']);
  const w = g.input('w', DataType.float32, ['R', 3]);
  const ids = g.input('ids', DataType.int64, [3]);
  g.output('y', Add(g, Gemm(g, x, w), Cast(g, ids, DataType.float32)), DataType.float32, ['N', 3]);
  const file = join(folder, 'model.onnx');
  await writeFile(file, encodeModel(g.build('test')));
  return Session.load(file, { threads: 1 });
}

test('computes on tensors of float32 and int64', async () => {
  const session = await load();
  const { y } = await session.run({
    x: float32(Float32Array.of(1, 2, 3, 4), [2, 2]),
    w: float32(Float32Array.of(1, 0, 1, 0, 1, 1), [2, 3]),
    ids: int64(BigInt64Array.of(10n, 20n, 30n), [3]),
  });
  expect(y?.dims).toEqual([2, 3]);
  expect(y?.data).toBeInstanceOf(Float32Array);
  expect([...(y?.data ?? [])]).toEqual([11, 22, 33, 13, 24, 37]);
  await session.release();
});

test('an empty inner product is zero', async () => {
  const session = await load();
  const { y } = await session.run({
    x: float32(new Float32Array(0), [2, 0]),
    w: float32(new Float32Array(0), [0, 3]),
    ids: int64(BigInt64Array.of(1n, 2n, 3n), [3]),
  });
  expect([...(y?.data ?? [])]).toEqual([1, 2, 3, 1, 2, 3]);
  await session.release();
});

test('a wrong shape, a missing and an unknown input are named', async () => {
  const session = await load();
  const x = float32(new Float32Array(4), [2, 2]);
  const w = float32(new Float32Array(9), [3, 3]);
  const ids = int64(new BigInt64Array(3), [3]);
  await expect(session.run({ x, w, ids })).rejects.toThrow('w float32 [3, 3]');
  await expect(session.run({ x, w })).rejects.toThrow('ids');
  await expect(session.run({ x, w, ids, z: x })).rejects.toThrow('has no input z');
  await session.release();
});
