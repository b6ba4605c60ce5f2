/**
 * How much of a GPU's memory bandwidth merging uses. A merge must read each weight and write the sum; at the best it takes as
 * long as a copy of as many bytes, which is measured beside it, elementwise, in the same float type and in tensors as large.
 */
import type { GpuDevice } from '../../src/engine/gpu/gpu-device.js';
import type { GpuTensor } from '../../src/engine/gpu/gpu-tensor.js';
import type { ModelConfig } from '../../src/formats/checkpoint/model-config.js';
import { linearModules } from '../../src/formats/checkpoint/modules.js';
import { DataType, encodeModel } from '../../src/formats/onnx/model.js';
import { GraphBuilder } from '../../src/graph/graph-builder.js';
import { Neg } from '../../src/graph/ops.js';
import { median } from './measure.js';

const ROUNDS = 5;

export interface MergeBandwidth {
  /** Read and written by a merge of all linears but lm_head: weights, sums, and A and B. */
  mergeBytes: number;
  mergeMs: number;
  /** Read and written by a copy of the weights. */
  copyBytes: number;
  copyMs: number;
}

/** rank: of the path, all its nodes together. */
export async function mergeBandwidth(device: GpuDevice, config: ModelConfig, rank: number): Promise<MergeBandwidth> {
  const modules = linearModules(config).filter(({ projection }) => projection !== 'lm_head');
  const weights: GpuTensor[] = [];
  for (const { outFeatures, inFeatures } of modules) weights.push(await device.zeros(outFeatures, inFeatures));
  const deltas = modules.map(({ outFeatures, inFeatures }) => ({
    rank,
    a: new Float32Array(rank * inFeatures).fill(0.01),
    b: new Float32Array(rank * outFeatures).fill(0.01),
  }));
  const copy = await device.load(copyGraph(DataType[device.floatType]), { outputs: 'device' });
  const small = await device.zeros(1, 1);
  /** What was asked for before is done when this is: the queue keeps its order. */
  const done = () => device.download(small);
  const timed = async (make: (weight: GpuTensor, i: number) => Promise<GpuTensor>): Promise<number> => {
    const times: number[] = [];
    // The first round compiles shaders.
    for (let round = 0; round <= ROUNDS; round++) {
      await done();
      const startMs = performance.now();
      const made: GpuTensor[] = [];
      for (const [i, weight] of weights.entries()) made.push(await make(weight, i));
      await done();
      if (round > 0) times.push(performance.now() - startMs);
      for (const tensor of made) tensor.dispose();
    }
    return median(times);
  };
  const copyMs = await timed((weight) => device.make(copy, { x: weight.tensor }));
  // Each weight has a delta.
  const mergeMs = await timed((weight, i) => device.merge(weight, deltas[i] as (typeof deltas)[number]));
  const weightBytes = weights.reduce((sum, { bytes }) => sum + bytes, 0);
  const deltaBytes = deltas.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0);
  for (const weight of [...weights, small]) weight.dispose();
  await copy.release();
  return { mergeBytes: 2 * weightBytes + deltaBytes, mergeMs, copyBytes: 2 * weightBytes, copyMs };
}

export function describeBandwidth({ mergeBytes, mergeMs, copyBytes, copyMs }: MergeBandwidth): string {
  const perSecond = (bytes: number, ms: number) => bytes / 1e6 / ms;
  const [merging, copying] = [perSecond(mergeBytes, mergeMs), perSecond(copyBytes, copyMs)];
  return (
    `${((100 * merging) / copying).toFixed(0)}%: ${(mergeBytes / 1e6).toFixed(1)} MB to be moved in ${mergeMs.toFixed(1)} ms are ` +
    `${merging.toPrecision(3)} GB/s; a copy has ${copying.toPrecision(3)} GB/s`
  );
}

/** x → −x: each byte is read once and written once. */
function copyGraph(type: DataType): Uint8Array {
  const g = new GraphBuilder();
  g.output('y', Neg(g, g.input('x', type, ['n', 'w'])), type, ['n', 'w']);
  return encodeModel(g.build('copy'));
}
