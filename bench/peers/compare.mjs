// Runs the peers on one workload, one after the other, and prints their figures as ratios.
//
//     node compare.mjs data/111m [--also="command that runs the service on the workload"]…
//
// Each command gets the path of workload.json as its last argument, and prints a JSON line for each figure (README.md).
// Ratios are to the first figure of a group; what --also names runs first. Python: $PYTHON, or .venv/bin/python here.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const here = import.meta.dirname;
const folder = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
if (folder === undefined) throw new Error('Usage: node compare.mjs <folder of workload.json> [--also="command"]…');
const workload = resolve(folder, 'workload.json');
const gguf = resolve(folder, 'model.gguf');
const python = process.env.PYTHON ?? join(here, '.venv/bin/python');
const also = process.argv.flatMap((argument) => /^--also=(.+)$/s.exec(argument)?.[1] ?? []);

const commands = also.map((command) => ['sh', ['-c', `${command} "$0"`, workload]]);
commands.push([python, [join(here, 'transformers_peft.py'), workload]]);
if (existsSync(join(here, 'node_modules/node-llama-cpp'))) {
  if (!existsSync(gguf)) run(python, [join(here, 'write_gguf.py'), workload, gguf]);
  commands.push([process.execPath, [join(here, 'node-llama-cpp.mjs'), workload, gguf]]);
} else process.stderr.write('node-llama-cpp is not installed here (npm install): left out.\n');

const groups = new Map();
for (const [command, args] of commands) {
  for (const line of run(command, args).split('\n')) {
    if (!line.startsWith('{')) continue;
    const figure = JSON.parse(line);
    groups.set(figure.group, [...(groups.get(figure.group) ?? []), figure]);
  }
}
for (const [group, figures] of groups) {
  process.stdout.write(`\n${group} (${figures[0].workload}, ${figures[0].threads} threads)\n`);
  for (const { name, tokensPerSecond } of figures) {
    const ratio = (tokensPerSecond / figures[0].tokensPerSecond).toFixed(2);
    process.stdout.write(
      `  ${name.padEnd(32)} ${tokensPerSecond.toFixed(1).padStart(8)} tokens/s  ${ratio.padStart(6)}×\n`,
    );
  }
}

function run(command, args) {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}.`);
  return stdout;
}
