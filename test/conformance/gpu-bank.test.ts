/** The bank's rows in a GPU's memory: what is fed stays the same when memory behind it is given back. */
import { foldedAdapter, type FoldedAdapter } from '../../src/engine/folded-adapter.js';
import { GpuDevice } from '../../src/engine/gpu/gpu-device.js';
import { GpuRankRows } from '../../src/engine/gpu/gpu-rank-rows.js';
import { GpuTensor } from '../../src/engine/gpu/gpu-tensor.js';
import { DEVICES } from './support/devices.js';

const RANK = 8;
const MODULES = ['m0', 'm1'].map((name) => ({
  name,
  projection: 'q_proj' as const,
  inFeatures: 8,
  outFeatures: 12,
}));

/** Every row of every adapter and module has a number of its own. */
function adapter(index: number): FoldedAdapter {
  const rows = (module: number, width: number): Float32Array =>
    Float32Array.from({ length: RANK * width }, (_, i) => index * 100 + module * 10 + Math.floor(i / width));
  const deltas = MODULES.map(({ name, inFeatures, outFeatures }, module) => {
    const [a, b] = [rows(module, inFeatures), rows(module, outFeatures)];
    return [name, { rank: RANK, inFeatures, outFeatures, a, b }] as const;
  });
  return foldedAdapter(`adapter-${index}`, new Map(deltas));
}

const onGpu = DEVICES.includes('webgpu') ? test : test.skip;

onGpu(
  'rows that shrink are those that were, and grow again',
  async () => {
    const device = await GpuDevice.open();
    const rows = new GpuRankRows(device, 'q_proj', MODULES);
    const fed = async (...indices: number[]): Promise<unknown> => {
      const { spans, tensors } = await rows.ready(new Set(indices.map((index) => `adapter-${index}`)));
      const values: [string, number[]][] = [];
      for (const [name, tensor] of tensors) {
        const handle = new GpuTensor(tensor, 0, () => undefined);
        values.push([name, [...(await device.download(handle))]]);
      }
      return { spans: [...spans], values };
    };
    for (let index = 0; index < 12; index++) rows.write(adapter(index), index * RANK, RANK);
    const before = await fed(0, 2);
    expect(rows.capacity).toBe(128);
    const { bytes } = device.ledger;
    for (let index = 3; index < 12; index++) {
      rows.setInUse(`adapter-${index}`, false);
      rows.layout.remove(`adapter-${index}`);
    }
    rows.shrink(32);
    expect(await fed(0, 2)).toEqual(before);
    expect(rows.capacity).toBe(32);
    expect(device.ledger.bytes).toBe(bytes - 2 * 96 * (8 + 12) * Float32Array.BYTES_PER_ELEMENT);
    rows.write(adapter(20), 40, RANK);
    const grown = await fed(0, 20);
    expect(rows.capacity).toBe(64);
    expect(JSON.stringify(grown)).toContain(JSON.stringify([...adapter(20).deltas.get('m1')!.a]).slice(1, -1));
    await rows.dispose();
    expect(device.ledger.bytes).toBe(0);
    await device.release();
  },
  60_000,
);
