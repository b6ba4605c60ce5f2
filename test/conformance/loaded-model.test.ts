/** On the CPU: see `webgpu.test.ts` for the GPU. */
import { jest } from '@jest/globals';
import { loadedOn } from './support/devices.js';
import { CASES } from './support/golden.js';
import { loadedModelTests } from './suites/loaded-model.js';

// Random rows are many runs, and other processes may use the machine.
jest.setTimeout(120_000);

describe.each(CASES)('%s', (name) => loadedModelTests('cpu', name, loadedOn('cpu', name)));
