/**
 * Entry of a short-lived process that tries the GPU, so that a driver that ends its process ends only this one. It tells
 * its parent what it found, and is killed by it: what a driver does at exit is not waited for.
 */
import { readFileSync } from 'node:fs';
import { GpuDevice } from './gpu-device.js';
import type { GpuProbe } from './probe-gpu.js';
import { devices, isSoftwareDriver } from './software-driver.js';

async function probe(): Promise<GpuProbe> {
  try {
    const device = await GpuDevice.open();
    const tensor = await device.upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const back = await device.download(tensor);
    if (back.join() !== '1,2,3,4') return { usable: false, reason: `it gave back ${back.join()} for 1,2,3,4` };
    return { usable: true, software: isSoftware() };
  } catch (error) {
    return { usable: false, reason: shortly(error instanceof Error ? error.message : String(error)) };
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
