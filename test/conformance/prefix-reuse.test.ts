/** On the CPU: see `webgpu.test.ts` for the GPU. */
import { jest } from '@jest/globals';
import { loadedOn } from './support/devices.js';
import { CASES } from './support/golden.js';
import { prefixReuseTests } from './suites/prefix-reuse.js';

jest.setTimeout(120_000);

describe.each(CASES)('%s', (name) => prefixReuseTests('cpu', name, loadedOn('cpu', name)));
