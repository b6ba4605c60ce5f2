/** Values on the command line: numbers within bounds, revisions by number or id, files to read. */
import { InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { UnreadableError } from './errors.js';

export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
    }
    return value;
  };
}

export function numberFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least) {
      throw new InvalidArgumentError(`It must be a number from ${least}.`);
    }
    return value;
  };
}

/** `3`, or a revision's id. */
export function revision(text: string): number | string {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The text of a file; `-` is standard input. */
export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new UnreadableError(file === '-' ? 'Standard input' : file, cause);
  }
}

/** For an option that may come several times. */
export function repeated(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** `accuracy=0.93`, several times. */
export function metric(text: string, before: Record<string, number> | undefined): Record<string, number> {
  const at = text.lastIndexOf('=');
  const value = Number(text.slice(at + 1));
  if (at < 1 || text.slice(at + 1).trim() === '' || !Number.isFinite(value)) {
    throw new InvalidArgumentError('It must be a name and a number, as accuracy=0.93.');
  }
  return { ...before, [text.slice(0, at)]: value };
}

/** `organisation/name`, or `organisation/name@revision`. */
export function hubSource(text: string): { repo: string; revision?: string } {
  const at = text.indexOf('@');
  const repo = at === -1 ? text : text.slice(0, at);
  const rest = at === -1 ? undefined : text.slice(at + 1);
  if (repo === '' || rest === '') throw new InvalidArgumentError('It must be a name, as organisation/name@main.');
  return { repo, revision: rest };
}
