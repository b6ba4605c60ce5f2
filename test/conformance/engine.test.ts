/** On the CPU: see `webgpu.test.ts` for the GPU. */
import { jest } from '@jest/globals';
import { engineTests } from './suites/engine.js';

jest.setTimeout(120_000);

engineTests('cpu');
