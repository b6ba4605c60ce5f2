import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatPath, MAX_DEPTH, MAX_NAME_CHARS, parsePath } from '../../../src/tree/path.js';

const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const weight = fc.integer({ min: -4000, max: 4000 }).map((thousandths) => thousandths / 1000 || 0);
const revision = fc.oneof(
  fc.constant(null),
  fc.integer({ min: 1, max: 999_999_999 }),
  fc.stringMatching(/^[a-z][a-z0-9._-]{0,20}$/),
);
const path = fc.record({
  model: name,
  segments: fc.array(fc.record({ name, weight, revision }), { maxLength: 8 }),
});

describe('the grammar of paths', () => {
  it('reads back what it writes', () => {
    fc.assert(fc.property(path, (parsed) => expect(parsePath(formatPath(parsed))).toEqual(parsed)));
  });

  it.each([
    ['storyteller', 'storyteller'],
    ['storyteller/french:0.800/verne:1.0@production', 'storyteller/french:0.8/verne@production'],
    ['m/a:1@2', 'm/a@2'],
    ['m/a:+.5', 'm/a:0.5'],
    ['m/a:-0', 'm/a:0'],
    ['m/a:-0.25', 'm/a:-0.25'],
    ['m/a:4/b:-4.000', 'm/a:4/b:-4'],
    ['m/a:0.001', 'm/a:0.001'],
    ['0/1/2', '0/1/2'],
    ['m/a@v2', 'm/a@v2'],
  ])('writes %s as %s', (text, canonical) => {
    expect(formatPath(parsePath(text))).toBe(canonical);
  });

  it.each([
    ['', /starts with a model/],
    ['/storyteller', /starts with a model/],
    ['storyteller:0.5/french', /model itself takes no weight/],
    ['storyteller@2', /model itself takes no weight and no revision/],
    ['storyteller/', /needs a name/],
    ['storyteller//verne', /needs a name/],
    ['storyteller/French', /lower-case/],
    ['storyteller/fr ench', /lower-case/],
    ['storyteller/.hidden', /starts with a lower-case letter or digit/],
    ['storyteller/..', /starts with a lower-case letter or digit/],
    ['m/a:', /weight "" after ":"/],
    ['m/a:.', /weight "\." after ":"/],
    ['m/a:x', /weight "x"/],
    ['m/a:0x1', /weight "0x1"/],
    ['m/a:1e0', /weight "1e0"/],
    ['m/a:0.1234', /three decimals/],
    ['m/a:NaN', /weight "NaN"/],
    ['m/a:4.001', /outside of -4 to 4/],
    ['m/a:-5', /outside of -4 to 4/],
    ['m/a@', /after "@"/],
    ['m/a@0', /after "@"/],
    ['m/a@01', /after "@"/],
    ['m/a@2x', /after "@"/],
    ['m/a@3:0.5', /weight stands before the "@"/],
    ['m/a@1@2', /after "@"/],
  ])('refuses %s', (text, problem) => {
    expectRefused(text, problem);
  });

  it('refuses what is too long or too deep, in a short message', () => {
    expectRefused(`m/${'a'.repeat(MAX_NAME_CHARS + 1)}`, /at most 64 characters/);
    expectRefused(`m${'/a'.repeat(MAX_DEPTH + 1)}`, /at most 32 segments/);
    expectRefused(`m/${'a'.repeat(5000)}`, /at most 4096 characters/);
  });

  it('takes names and depth up to their bounds', () => {
    const longest = `m${`/${'a'.repeat(MAX_NAME_CHARS)}`.repeat(MAX_DEPTH)}`;
    expect(formatPath(parsePath(longest))).toBe(longest);
  });
});

function expectRefused(text: string, problem: RegExp): void {
  let error: unknown;
  try {
    parsePath(text);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'invalid_path', status: 400 });
  expect(String(error)).toMatch(problem);
  expect(String(error).length).toBeLessThan(500);
}
