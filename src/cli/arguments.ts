/** Values on the command line: numbers within bounds, revisions by number or id, files to read. */
import { InvalidArgumentError } from 'commander';
import { readFileSync } from 'node:fs';
import { UsageError } from './errors.js';

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
    throw new UsageError(`${file} can't be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
