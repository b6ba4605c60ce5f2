/** On the CPU: see `webgpu.test.ts` for the GPU. */
import { jest } from '@jest/globals';
import { loadedOn } from './support/devices.js';
import { CASES } from './support/golden.js';
import { mergedModelTests } from './suites/merged-model.js';

jest.setTimeout(120_000);

describe.each(CASES)('%s', (name) => mergedModelTests('cpu', name, loadedOn('cpu', name)));
