import { nextResidency, type Residency, type ResidencyEvent, ResidencyTable } from '../../../src/engine/residency.js';

const STATES: Residency[] = ['absent', 'loading', 'resident', 'evicting'];
const EVENTS: ResidencyEvent[] = ['load', 'loaded', 'failed', 'evict', 'evicted'];
const ALLOWED: Record<string, Residency> = {
  'absent load': 'loading',
  'loading loaded': 'resident',
  'loading failed': 'absent',
  'resident evict': 'evicting',
  'evicting evicted': 'absent',
};

test.each(STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const)))('%s, %s', (state, event) => {
  const next = ALLOWED[`${state} ${event}`];
  if (next === undefined) expect(() => nextResidency(state, event)).toThrow(state);
  else expect(nextResidency(state, event)).toBe(next);
});

test('the table knows nothing of what is absent', () => {
  const table = new ResidencyTable();
  expect(table.state('a')).toBe('absent');
  table.apply('a', 'load');
  table.apply('b', 'load');
  table.apply('b', 'loaded');
  expect([table.count('loading'), table.count('resident'), table.count('absent')]).toEqual([1, 1, 0]);
  table.apply('a', 'failed');
  expect(table.state('a')).toBe('absent');
  expect(() => table.apply('a', 'evict')).toThrow('absent');
});
