import { describe, expect, it } from '@jest/globals';
import { completionScript, suggestionLines } from '../../../src/cli/completion-scripts.js';
import { createProgram } from '../../../src/cli/program.js';
import { wanted } from '../../../src/cli/suggestions.js';
import { words } from '../../../src/cli/words.js';

const program = await createProgram();

describe('what may stand at the cursor', () => {
  const at = (line: string) => wanted(program, words(line));
  const values = (line: string): string[] => {
    const want = at(line);
    return want.kind === 'these' ? want.suggestions.map(({ value }) => value) : [want.kind];
  };

  it('is a command, or one of a group', () => {
    expect(values('')).toEqual(expect.arrayContaining(['serve', 'tree', 'push']));
    expect(values('')).not.toContain('complete');
    expect(values('mod')).toEqual(['models']);
    expect(values('models im')).toEqual(['import']);
    expect(values('--url http://x models im')).toEqual(['import']);
    expect(values('--json models im')).toEqual(['import']);
    expect(values('--url=http://x models im')).toEqual(['import']);
    expect(values('models nothing')).toEqual([]);
  });

  it('is an option, its own or one of all commands', () => {
    expect(values('push --tr')).toEqual(['--trained-on']);
    expect(values('push a b --j')).toEqual(['--json']);
    expect(values('push -- --tr')).toEqual(['files']);
  });

  it('is a choice', () => {
    expect(values('completion ')).toEqual(['bash', 'zsh', 'fish']);
    expect(values('nodes policy m/a f')).toEqual(['follow']);
  });

  it('is the path of a node, or a file, by what the argument is called', () => {
    expect(at('tree mod')).toEqual({ kind: 'nodes', prefix: 'mod', before: '' });
    expect(at('nodes move m/a m/')).toEqual({ kind: 'nodes', prefix: 'm/', before: '' });
    expect(at('score m/a m/b m/c')).toMatchObject({ prefix: 'm/c' });
    expect(at('push ')).toEqual({ kind: 'files' });
    expect(at('push folder m/')).toMatchObject({ kind: 'nodes' });
    expect(at('score m --file ')).toEqual({ kind: 'files' });
    expect(at('score m --file=')).toEqual({ kind: 'files' });
    expect(values('run m/a ')).toEqual([]);
    expect(values('run m/a text --seed ')).toEqual([]);
    expect(values('resolve m/a more')).toEqual([]);
  });
});

it('splits a line as a shell does', () => {
  expect(words('')).toEqual(['']);
  expect(words('a  b ')).toEqual(['a', 'b', '']);
  expect(words(String.raw`a 'b c'd "e \"f" g\ h`)).toEqual(['a', 'b cd', 'e "f', 'g h']);
  expect(words(`a '' "`)).toEqual(['a', '', '']);
});

it('writes suggestions as each shell reads them', () => {
  const all = [{ value: 'm/a:0.5/b', description: '@1, rank 8' }];
  expect(suggestionLines('zsh', all, 'm')).toEqual([String.raw`m/a\:0.5/b:@1, rank 8`]);
  expect(suggestionLines('fish', all, 'm')).toEqual(['m/a:0.5/b\t@1, rank 8']);
  expect(suggestionLines('bash', all, 'm/a:0.5/', '=:@')).toEqual(['0.5/b']);
  expect(suggestionLines('bash', all, 'm/a', '=:@')).toEqual(['m/a:0.5/b']);
});

it('quotes how it is run', () => {
  const argv = ['/usr/bin/node', "/it's/main.js"];
  expect(completionScript('bash', argv)).toContain(String.raw`'/usr/bin/node' '/it'\''s/main.js' complete bash`);
  expect(completionScript('fish', argv)).toContain(String.raw`'/usr/bin/node' '/it\'s/main.js' complete fish`);
});
