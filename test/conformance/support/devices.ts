/**
 * What the conformance suite runs on: the CPU, and with ESPALIER_TEST_WEBGPU=1 a GPU, or the software that stands for one
 * (.ci/swiftshader.sh); with `all`, every architecture there.
 */
import { EngineDevice } from '../../../src/engine/engine-device.js';
import { loadModel } from '../../../src/engine/load-model.js';
import { EngineMemory } from '../../../src/engine/loaded-model.js';
import { type CaseName, CASES } from './golden.js';
import type { EngineLimits, ModelSource } from '../../../src/engine/protocol.js';
import type { ServedModel } from '../../../src/engine/served-model.js';

export type TestDevice = 'cpu' | 'webgpu';

const WEBGPU = process.env.ESPALIER_TEST_WEBGPU;

export const DEVICES: readonly TestDevice[] = WEBGPU === '1' || WEBGPU === 'all' ? ['cpu', 'webgpu'] : ['cpu'];

/** Software takes a hundred times as long as the CPU for these small models: there, one with biases and a tied lm_head. */
export const CASES_ON: Record<TestDevice, readonly CaseName[]> = {
  cpu: CASES,
  webgpu: WEBGPU === 'all' ? CASES : ['qwen2'],
};

export const DEVICES_AND_CASES = DEVICES.flatMap((device) => CASES_ON[device].map((name) => ({ device, name })));

if (DEVICES.length === 1) {
  test.skip('on webgpu: set ESPALIER_TEST_WEBGPU=1 where a GPU or SwiftShader is offered', () => undefined);
}

/** Without the probe, which is a process of the built service: the driver is known to be there. */
export function testDevice(device: TestDevice): EngineDevice {
  return new EngineDevice(device, () => Promise.resolve({ usable: true, software: true, float16: false }));
}

export async function loadOn(
  device: TestDevice,
  source: ModelSource,
  limits: EngineLimits,
): Promise<{ model: ServedModel; memory: EngineMemory; close: () => Promise<void> }> {
  const memory = new EngineMemory(limits, undefined, testDevice(device));
  const model = await loadModel(source, limits, memory);
  return {
    model,
    memory,
    close: async () => {
      await model.release();
      expect(memory.device.gpuBytes).toBe(0);
      await memory.device.release();
    },
  };
}
