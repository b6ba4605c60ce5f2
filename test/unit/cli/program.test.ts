import { describe, expect, it } from '@jest/globals';
import { CommanderError } from 'commander';
import { ApiError } from '../../../src/cli/api-error.js';
import { nameOf } from '../../../src/cli/commands/models.js';
import { completionTexts } from '../../../src/cli/completion-stream.js';
import { CancelledError, NoKeyError, UsageError } from '../../../src/cli/errors.js';
import { exitCode } from '../../../src/cli/exit-code.js';
import { createProgram } from '../../../src/cli/program.js';
import { isName } from '../../../src/tree/path.js';
import { Readable } from 'node:stream';

/** The exit code for a command line that never gets as far as a request. */
async function exitOf(...args: string[]): Promise<number> {
  const program = await createProgram(args);
  const quiet = { writeOut: () => undefined, writeErr: () => undefined };
  const configure = (command: typeof program): void => {
    command.configureOutput(quiet);
    command.commands.forEach(configure);
  };
  configure(program);
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    return exitCode(error);
  }
}

describe('the command line', () => {
  it('ends with 0 for help and version, and with 2 for what makes no sense', async () => {
    expect(await exitOf('--help')).toBe(0);
    expect(await exitOf('--version')).toBe(0);
    expect(await exitOf('nodes', 'policy', '--help')).toBe(0);
    expect(await exitOf('frobnicate')).toBe(2);
    expect(await exitOf('resolve')).toBe(2);
    expect(await exitOf('resolve', 'a', 'b')).toBe(2);
    expect(await exitOf('nodes', 'policy', 'm/a', 'sometimes')).toBe(2);
    expect(await exitOf('run', 'm', 'text', '--max-tokens', '0')).toBe(2);
    expect(await exitOf('run', 'm', 'text', '--temperature', 'warm')).toBe(2);
    expect(await exitOf('run', 'm', 'text', '--seed', '1.5')).toBe(2);
    expect(await exitOf('score', 'm')).toBe(2);
    expect(await exitOf('score', 'm', '--text', 'a', '--file', 'b')).toBe(2);
    expect(await exitOf('score', 'm', '--file', '/nowhere/at/all', '--key', 'k')).toBe(2);
    expect(await exitOf('push', '/nowhere/at/all', 'm/a', '--key', 'k')).toBe(2);
    expect(await exitOf('push', 'm/a', '--key', 'k')).toBe(2);
    expect(await exitOf('push', '.', 'm/a', '--server-folder', 'b', '--key', 'k')).toBe(2);
    expect(await exitOf('tree', '--config', '/nowhere/at/all')).toBe(2);
    expect(await exitOf('completion', 'tcsh')).toBe(2);
  });

  it('loads only the command that is named, which is as it is among all', async () => {
    const help = (program: Awaited<ReturnType<typeof createProgram>>, name: string): string | undefined =>
      program.commands.find((each) => each.name() === name)?.helpInformation();
    const all = await createProgram();
    for (const name of all.commands.map((command) => command.name())) {
      if (name === 'complete') continue;
      const alone = await createProgram(['--url', 'tree', '--json', name, '--key']);
      expect(alone.commands.length).toBeLessThan(5);
      expect(help(alone, name)).toBe(help(all, name));
    }
    for (const words of [[], ['--help'], ['frobnicate'], ['complete', 'bash', 'tree'], ['help', 'tree']]) {
      expect((await createProgram(words)).commands.length).toBe(all.commands.length);
    }
  });

  it('says by its exit code that nothing answers, or that there is no key', async () => {
    expect(await exitOf('tree', '--url', 'http://127.0.0.1:9', '--key', 'k')).toBe(3);
    expect(await exitOf('tree', '--url', 'not a url', '--key', 'k')).toBe(2);
  });

  it('tells refusals apart', () => {
    expect(exitCode(new ApiError('no', 'path_not_found', 404))).toBe(5);
    expect(exitCode(new ApiError('no', 'forbidden', 403))).toBe(4);
    expect(exitCode(new ApiError('no', 'unauthorized', 401))).toBe(4);
    expect(exitCode(new ApiError('no', 'name_taken', 409))).toBe(1);
    expect(exitCode(new ApiError('no', 'internal_error', 500))).toBe(1);
    expect(exitCode(new NoKeyError('http://here', 'file'))).toBe(4);
    expect(exitCode(new ApiError('no', 'version_conflict', 412))).toBe(6);
    expect(exitCode(new ApiError('no', 'overloaded', 429))).toBe(7);
    expect(exitCode(new ApiError('no', 'database_unavailable', 503))).toBe(7);
    expect(exitCode(new UsageError('no'))).toBe(2);
    expect(exitCode(new CancelledError('no'))).toBe(130);
    expect(exitCode(new CommanderError(1, 'commander.unknownOption', 'no'))).toBe(2);
    expect(exitCode(new TypeError('a bug'))).toBe(1);
  });
});

it('makes a name of a folder that can stand in a path', () => {
  expect(nameOf('/models/Llama 3.1-8B_Instruct/')).toBe('llama-3.1-8b_instruct');
  expect(nameOf('/models/_private')).toBe('private');
  expect(isName(nameOf('/models/Süß & salzig'))).toBe(true);
  expect(() => nameOf('/models/---')).toThrow(UsageError);
});

describe('a streamed completion', () => {
  const stream = (...parts: string[]) => Readable.from(parts.map((part) => Buffer.from(part)));
  const texts = async (...parts: string[]) => {
    const all: string[] = [];
    for await (const text of completionTexts(stream(...parts))) all.push(text);
    return all;
  };

  it('is read piece by piece up to its end', async () => {
    const event = (text: string) => `data: ${JSON.stringify({ choices: [{ text }] })}\n\n`;
    expect(await texts(event('Le '), event('capitaine é'), 'data: {"choices":[]}\n\n', 'data: [DONE]\n\n')).toEqual([
      'Le ',
      'capitaine é',
    ]);
  });

  it('fails with the error of the service, and where it was cut', async () => {
    await expect(texts('data: {"error":{"message":"the engine died","code":"engine_died"}}\n\n')).rejects.toMatchObject(
      {
        message: 'the engine died',
        code: 'engine_died',
      },
    );
    await expect(texts('data: {"choices":[]}\n\n')).rejects.toMatchObject({ code: 'stream_cut' });
  });
});
