import { describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { parseJson, readJsonFile } from '../../../src/formats/json.js';
import { temporaryFolders } from './support/folder.js';

const newFolder = temporaryFolders();

describe('parseJson', () => {
  it('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(0, 1, 2), (text, indent) => {
        const pretty = JSON.stringify(JSON.parse(text), null, indent);
        expect(parseJson(pretty, 'it')).toEqual(JSON.parse(text));
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"b":{"c":[{"d":1},{"d":1,"e":{},"d":2}]}}', 'd'],
    [String.raw`{"a":1,"\u0061":2}`, 'a'],
    ['{"x":"}","y":[","],"x":0}', 'x'],
    [String.raw`{"\"":1,"q":"\\","\"":2}`, String.raw`\"`],
  ])('refuses a name that an object has twice: %s', (text, name) => {
    expect(() => parseJson(text, 'config.json')).toThrow(`config.json has the name "${name}" twice.`);
  });

  it('takes a name again in another object, and as a value', () => {
    expect(parseJson('[{"a":"a"},{"a":["a","a",{"a":1}]}]', 'it')).toEqual([{ a: 'a' }, { a: ['a', 'a', { a: 1 }] }]);
  });

  it.each(['[', '{"a":', '[{"":'])('1 MB of %s is an error like any other', (piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
    expect(() => parseJson(text, 'config.json')).toThrow('config.json is nested deeper than 64 levels.');
  });

  it('takes 64 levels', () => {
    expect(() => parseJson('['.repeat(64) + ']'.repeat(64), 'it')).not.toThrow();
    expect(() => parseJson('['.repeat(65) + ']'.repeat(65), 'it')).toThrow('64 levels');
  });

  it('any text is read or refused with a code', () => {
    const pieces = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '1', 'null', 'a', ' ', 'é');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (text) => {
        try {
          parseJson(text.join(''), 'it');
        } catch (error) {
          expect(error).toBeInstanceOf(EspalierError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('readJsonFile', () => {
  const source = { name: 'config.json', maxBytes: 10 };

  it('says which file is missing, too long, or none', async () => {
    const folder = await newFolder();
    await writeFile(join(folder, 'long'), '[1,2,3,4,5,6]');
    await expect(readJsonFile(join(folder, 'none'), source)).rejects.toThrow('config.json is missing.');
    await expect(readJsonFile(join(folder, 'long'), source)).rejects.toThrow(
      'config.json is 13 bytes long; at most 10',
    );
    await expect(readJsonFile(folder, source)).rejects.toThrow('config.json is not a file.');
  });
});
