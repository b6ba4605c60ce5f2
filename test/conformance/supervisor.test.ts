/** The same through the service's own handle: a forked engine process, built, over IPC. */
import { jest } from '@jest/globals';
import { join } from 'node:path';
import pino from 'pino';
import type { RowOutput } from '../../src/engine/protocol.js';
import { EngineSupervisor } from '../../src/engine/supervisor.js';
import { DEVICES, skipWebgpu } from './support/devices.js';
import { LIMITS } from './support/driven-row.js';
import { gather, greedyRequest } from './support/generation.js';
import { GoldenCase } from './support/golden.js';

// A GPU made of software compiles all it runs first, and other processes may use the machine.
jest.setTimeout(120_000);

const PROCESS_FILE = join(import.meta.dirname, '../../dist/engine/process.js');

test.each(DEVICES)(
  'a forked engine process chooses the tokens that transformers and PEFT choose, on %s',
  async (device) => {
    const golden = await GoldenCase.open('qwen3');
    // What is to be shown on a GPU is that a process can have one.
    const tried = golden.expectations.filter(({ steps }) => device === 'cpu' || steps.length === 3);
    const engine = EngineSupervisor.start(
      { ...LIMITS, device },
      { logger: pino({ level: 'silent' }), processFile: PROCESS_FILE },
    );
    try {
      const rows = await Promise.all(
        tried.map(async (expectation) => {
          const outputs: RowOutput[] = [];
          const request = greedyRequest(golden, expectation);
          for await (const output of engine.generate(request, new AbortController().signal)) outputs.push(output);
          return { expectation, row: gather(outputs).get(request.id) };
        }),
      );
      for (const { expectation, row } of rows) expect(row?.tokens).toEqual(expectation.greedy);
    } finally {
      await engine.stop(0);
      await golden.remove();
    }
  },
);

if (!DEVICES.includes('webgpu')) skipWebgpu();
