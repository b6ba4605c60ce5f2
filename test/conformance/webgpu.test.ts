/** The conformance suite on a GPU, or on the software that stands for one in CI. */
import { jest } from '@jest/globals';
import { QUANTIZATIONS } from '../../src/formats/quantization/scheme.js';
import { closeGpu, DEVICES, loadedOn, skipWebgpu } from './support/devices.js';
import { CASES } from './support/golden.js';
import { GPU_FLOAT_TYPES } from './support/gpu-float-types.js';
import { engineTests } from './suites/engine.js';
import { gpuBusTests } from './suites/gpu-bus.js';
import { gpuQuantizedTests } from './suites/gpu-quantized.js';
import { loadedModelTests } from './suites/loaded-model.js';
import { mergedModelTests } from './suites/merged-model.js';
import { prefixReuseTests } from './suites/prefix-reuse.js';

// The first tests wait for compiled shaders, and other processes may use the machine.
jest.setTimeout(300_000);

if (GPU_FLOAT_TYPES.length === 0) skipWebgpu();
afterAll(closeGpu);

if (DEVICES.includes('webgpu')) {
  describe.each(CASES)('%s', (name) => {
    const loaded = loadedOn('webgpu', name);
    loadedModelTests('webgpu', name, loaded);
    mergedModelTests('webgpu', name, loaded);
    // What is done with blocks is the same for all.
    if (name === 'qwen2') {
      prefixReuseTests('webgpu', name, loaded);
      gpuBusTests(loaded);
    }
  });

  describe('the engine', () => engineTests('webgpu'));
}

for (const floatType of GPU_FLOAT_TYPES) {
  describe.each(QUANTIZATIONS)(`a base that is quantised, in ${floatType}: %s`, (quantization) => {
    gpuQuantizedTests(floatType, quantization);
  });
}
