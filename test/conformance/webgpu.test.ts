/**
 * The conformance suite on a GPU, or on the software that stands for one in CI.
 *
 * One file, because SwiftShader compiles a shader in up to four seconds, for as long as a GPU is open: so all tests share
 * one, and each architecture is loaded once for its own. A run takes 0.05 to 1 s there, by how many tokens it computes.
 * So what is shown of rows, batches and merging is shown with every architecture, with fewer rows and tokens than on the
 * CPU; what is done with blocks of the cache, and what crosses the bus, is the same for all and shown with one. On two busy
 * processors the file took 165 s of processor time, 15 of them for its first test.
 */
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
