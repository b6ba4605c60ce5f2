// Lets a worker thread of a test load the sources: `./x.js` means `./x.ts` where only that exists.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

export async function resolve(specifier, context, next) {
  const url = new URL(specifier, context.parentURL ?? 'file:///').href;
  const source = url.replace(/\.js$/, '.ts');
  const isSource = url.startsWith('file:') && source !== url && existsSync(fileURLToPath(source));
  return isSource && !existsSync(fileURLToPath(url))
    ? { url: source, format: 'module', shortCircuit: true }
    : next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const { code } = await transform(await readFile(fileURLToPath(url), 'utf8'), {
    filename: fileURLToPath(url),
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  });
  return { format: 'module', source: code, shortCircuit: true };
}
