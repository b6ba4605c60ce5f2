/**
 * Entry of a short-lived process that tries the GPU, so that a driver that ends its process ends only this one. It tells
 * its parent what it found, and is killed by it: what a driver does at exit is not waited for.
 */
import { readFileSync } from 'node:fs';
import { encodeFloat16Graph, RESULT, ROWS, TENSOR } from '../../graph/tensor-graphs.js';
import { float32 } from '../ort.js';
import { GpuDevice } from './gpu-device.js';
import type { GpuProbe } from './probe-gpu.js';
import { devices, isSoftwareDriver } from './software-driver.js';

async function probe(): Promise<GpuProbe> {
  try {
    const device = await GpuDevice.open();
    const tensor = await device.upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const back = await device.download(tensor);
    if (back.join() !== '1,2,3,4') return { usable: false, reason: `it gave back ${back.join()} for 1,2,3,4` };
    return { usable: true, software: isSoftware(), float16: await computesInFloat16(device) };
  } catch (error) {
    return { usable: false, reason: shortly(error instanceof Error ? error.message : String(error)) };
  }
}

/** The runtime doesn't say what the GPU's shaders can do: a product is tried, of numbers that float16 has exactly. */
async function computesInFloat16(device: GpuDevice): Promise<boolean> {
  try {
    const session = await device.load(encodeFloat16Graph(), { wholeGraphOnDevice: true });
    const { [RESULT]: result } = await session.run({
      [TENSOR]: float32(Float32Array.of(1, 0.5, -2, 512), [2, 2]),
      [ROWS]: float32(Float32Array.of(3, -4, 0.25, 0.125), [2, 2]),
    });
    return result?.data.join() === '1,-2054,0.3125,63.5';
  } catch {
    return false; // Without the feature, the runtime refuses to make the shader.
  }
}

/** The runtime puts a line of its source before what Dawn says, and a line feed behind. */
function shortly(message: string): string {
  return (/Failed to .*/.exec(message)?.[0] ?? message).trim();
}

/** Elsewhere than on Linux, nothing tells. */
function isSoftware(): boolean | null {
  if (process.platform === 'darwin') return false;
  if (process.platform !== 'linux') return null;
  return isSoftwareDriver(devices(), readFileSync('/proc/self/maps', 'utf8'));
}

process.send?.(await probe());
