/**
 * What the conformance suite runs on: the CPU, and with ESPALIER_TEST_WEBGPU=1 a GPU, or the software that stands for one
 * (.ci/swiftshader.sh).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineDevice } from '../../../src/engine/engine-device.js';
import { loadModel } from '../../../src/engine/load-model.js';
import { EngineMemory } from '../../../src/engine/loaded-model.js';
import type { EngineLimits, ModelSource } from '../../../src/engine/protocol.js';
import type { ServedModel } from '../../../src/engine/served-model.js';
import type { FloatType } from '../../../src/graph/graph-options.js';
import { LIMITS } from './driven-row.js';
import { type CaseName, GoldenCase } from './golden.js';

export type TestDevice = 'cpu' | 'webgpu';

export const DEVICES: readonly TestDevice[] = process.env.ESPALIER_TEST_WEBGPU === '1' ? ['cpu', 'webgpu'] : ['cpu'];

/** Said where tests would have been. */
export function skipWebgpu(): void {
  test.skip('on webgpu: set ESPALIER_TEST_WEBGPU=1 where a GPU or SwiftShader is offered', () => undefined);
}

/**
 * A GPU that engines and models of one test file share, and give back when the file is through: what the driver compiled
 * for one is there for the next.
 */
class SharedGpu extends EngineDevice {
  constructor(floatType: FloatType) {
    // Without the probe, which is a process of the built service: the driver is known to be there.
    super('webgpu', () => Promise.resolve({ usable: true, software: true, float16: true }), floatType);
  }

  override release(): Promise<void> {
    expect(this.gpuBytes).toBe(0);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return super.release();
  }
}

let shared: { gpu: SharedGpu; floatType: FloatType } | null = null;

/** One float type a file. */
export function sharedGpu(floatType: FloatType): EngineDevice {
  shared ??= { gpu: new SharedGpu(floatType), floatType };
  if (shared.floatType !== floatType) throw new Error(`the GPU of this file computes in ${shared.floatType}`);
  return shared.gpu;
}

export function testDevice(device: TestDevice): EngineDevice {
  return device === 'cpu' ? new EngineDevice('cpu') : sharedGpu('float32');
}

/** After the last test of a file. */
export async function closeGpu(): Promise<void> {
  await shared?.gpu.close();
  shared = null;
}

export interface Loaded {
  golden: GoldenCase;
  model: ServedModel;
  memory: EngineMemory;
}

/** A checkpoint that is loaded for the tests of this `describe`. */
export function loadedOn(device: TestDevice, name: CaseName): () => Loaded {
  let loaded: Loaded | undefined;
  let packedFolder: string;
  beforeAll(async () => {
    const golden = await GoldenCase.open(name);
    packedFolder = await mkdtemp(join(tmpdir(), 'espalier packed '));
    const limits: EngineLimits = { ...LIMITS, prefixBudgetBytes: LIMITS.kvBudgetBytes / 2, packedFolder };
    const source: ModelSource = { digest: name, folder: golden.checkpoint.folder };
    const memory = new EngineMemory(limits, undefined, testDevice(device));
    const model = await loadModel(source, limits, memory);
    expect(model.drawback).toBeUndefined();
    // As it is served, in all forms of its graph.
    while (await model.prepare?.()) continue;
    loaded = { golden, memory, model };
  });
  afterAll(async () => {
    await loaded?.model.release();
    await loaded?.memory.device.release();
    await loaded?.golden.remove();
    await rm(packedFolder, { recursive: true });
  });
  return () => {
    if (loaded === undefined) throw new Error(`${name} isn't loaded`);
    return loaded;
  };
}
