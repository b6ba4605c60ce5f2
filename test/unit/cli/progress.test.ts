import { describe, expect, it } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import { metric, repeated } from '../../../src/cli/arguments.js';
import { drawProgress, duration } from '../../../src/cli/progress.js';
import { wantsJson } from '../../../src/cli/report.js';
import { firstLine, harmless } from '../../../src/cli/terminal.js';

describe('a progress line', () => {
  it('shows a part of a whole', () => {
    expect(drawProgress('Up', 0, 4e6, 0)).toBe(`Up  ${'░'.repeat(24)}   0%  0.0 kB of 4.0 MB`);
    expect(drawProgress('Up', 1e6, 4e6, 2)).toBe(
      `Up  ${'█'.repeat(6)}${'░'.repeat(18)}  25%  1.0 MB of 4.0 MB  500.0 kB/s`,
    );
    // The form around the files counts too, and the service checks them after the last byte.
    expect(drawProgress('Up', 4.1e6, 4e6, 61)).toBe(`Up  ${'█'.repeat(24)} 100%  4.0 MB of 4.0 MB  1 min 01 s`);
  });

  it('shows the time where nobody knows how much there is', () => {
    expect(drawProgress('Importing', 0, null, 75.9)).toBe('Importing  1 min 15 s');
    expect(drawProgress('Down', 2e9, null, 3)).toBe('Down  2.00 GB  3 s');
    expect(duration(0)).toBe('0 s');
  });
});

it('keeps what others wrote from steering the terminal', () => {
  expect(harmless('a\u001b[2Jb\u0007\u009bc\td\n')).toBe('a[2Jbc\td\n');
  expect(firstLine('\n first\nsecond')).toBe('first');
});

it('takes options several times', () => {
  expect(repeated('b', repeated('a', undefined))).toEqual(['a', 'b']);
  expect(metric('loss=-1e-3', metric('a=b=2', undefined))).toEqual({ 'a=b': 2, loss: -0.001 });
  for (const wrong of ['loss', '=1', 'loss=', 'loss=low', 'loss=Infinity']) {
    expect(() => metric(wrong, undefined)).toThrow(InvalidArgumentError);
  }
});

it('knows before parsing whether JSON is wanted', () => {
  expect(wantsJson(['tree', '--json'])).toBe(true);
  expect(wantsJson(['run', 'm', '--', '--json'])).toBe(false);
});
