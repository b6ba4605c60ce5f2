import { previousHead } from '../../../src/registry/head-moves.js';

const history = (...moves: [string, string | null][]) => moves.map(([reason, revisionId]) => ({ reason, revisionId }));

test.each([
  ['nothing', history(), null],
  ['a first head', history(['first', '1']), null],
  ['promotions', history(['first', '1'], ['promote', '2'], ['promote', '3']), '2'],
  ['a rollback', history(['first', '1'], ['promote', '2'], ['promote', '3'], ['rollback', '2']), '1'],
  ['a promotion of what was before', history(['first', '1'], ['promote', '2'], ['promote', '1']), '2'],
  ['a rollback of that', history(['first', '1'], ['promote', '2'], ['promote', '1'], ['rollback', '2']), '1'],
  ['a recall that went back', history(['first', '1'], ['promote', '2'], ['promote', '3'], ['recall', '2']), '1'],
  ['a recall that gave way to another', history(['first', '1'], ['promote', '2'], ['recall', '4']), '2'],
  ['a recall that left nothing', history(['first', '1'], ['promote', '2'], ['recall', null]), '2'],
  ['a promotion after that', history(['first', '1'], ['recall', null], ['promote', '3']), '1'],
  ['two recalls that left nothing', history(['first', '1'], ['recall', null], ['promote', '2'], ['recall', null]), '2'],
])('after %s', (_what, moves, expected) => {
  expect(previousHead(moves)).toBe(expected);
});

test('what was recalled is passed over', () => {
  const moves = history(['first', '1'], ['promote', '2'], ['promote', '3']);
  expect(previousHead(moves, (id) => id !== '2')).toBe('1');
  expect(previousHead([...moves, { reason: 'rollback', revisionId: '1' }], (id) => id !== '2')).toBeNull();
});
