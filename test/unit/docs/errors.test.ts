import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CODES } from '../../../src/error-codes.js';

const root = join(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** `code` → status, from the source of the error classes. */
function declared(): Map<string, string> {
  const classes = readdirSync(join(root, 'src/errors')).map((file) => read(join('src/errors', file)));
  const pairs = classes.join('\n').matchAll(/code: '([a-z_]+)',\s*status: (\d{3})/g);
  return new Map([...pairs].map(([, code = '', status = '']) => [code, status]));
}

function documented(): Map<string, string> {
  const rows = read('docs/errors.md').matchAll(/^\| ((?:`[a-z_]+`(?:, )?)+) +\| (\d{3}) +\|/gm);
  return new Map(
    [...rows].flatMap(([, codes = '', status = '']) =>
      [...codes.matchAll(/`([a-z_]+)`/g)].map(([, code = '']): [string, string] => [code, status]),
    ),
  );
}

test('the page of error codes lists every code with its status', () => {
  expect(declared().size).toBeGreaterThan(50);
  expect([...documented()].sort()).toEqual([...declared()].sort());
});

test('the codes that the description of the interface lists are those of the classes', () => {
  const listed = Object.entries(ERROR_CODES).flatMap(([status, codes]) =>
    codes.map((code): [string, string] => [code, status]),
  );
  expect(listed.sort()).toEqual([...declared()].sort());
});
