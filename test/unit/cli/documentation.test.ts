/** docs/cli.md names every command and every exit code. */
import { expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { EXIT } from '../../../src/cli/exit-code.js';
import { createProgram } from '../../../src/cli/program.js';

const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

function* leaves(command: Command, path: string): Generator<string> {
  const below = command.createHelp().visibleCommands(command);
  if (below.length === 0) yield path;
  for (const each of below) if (each.name() !== 'help') yield* leaves(each, `${path} ${each.name()}`.trim());
}

it('is complete', async () => {
  const commands = [...leaves(await createProgram(), '')];
  expect(commands.length).toBeGreaterThan(30);
  expect(commands.filter((command) => !new RegExp(`\`${command}[ \`]`).test(page))).toEqual([]);
  for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} +\\| `, 'm'));
});
