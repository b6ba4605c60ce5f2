/** Which processes run, by a mark in their environment that all descendants inherit. Linux alone tells. */
import { readdirSync, readFileSync } from 'node:fs';

/** Pids of the processes whose environment holds the text. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(mark))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    // It ended meanwhile, or belongs to another account.
    return '';
  }
}

/** Resolves when the condition holds. The test's own time limit is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** The first process that this one started. */
export function childOf(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children[0] === '' ? undefined : Number(children[0]);
}
