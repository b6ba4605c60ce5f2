/**
 * Which process a pid means. Pids come round again, after a restart and in every new container, so a pid counts only
 * with the boot, the pid namespace and the time at which the process began.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  pid: number;
  host: string;
  /** What tells boots and containers apart; pids are only comparable within one scope. */
  scope: string;
  /** When the process began, in the operating system's own words; null where it doesn't say. */
  startedAt: string | null;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), scope: pidScope(), startedAt: startOf(process.pid) };
}

/** Whether that very process runs; null when its scope isn't ours, so that nobody can tell from here. */
export function isRunning(process: ProcessIdentity): boolean | null {
  if (process.host !== hostname() || process.scope !== pidScope()) return null;
  return exists(process.pid) && startOf(process.pid) === process.startedAt;
}

/** Names this process in a file's name. */
export function ownTag(): string {
  return tagOf(ownIdentity());
}

/** Whether the process that the tag names runs; null when nobody can tell from here, or it is no tag. */
export function isTagRunning(tag: string): boolean | null {
  const own = ownIdentity();
  const [place, digits = ''] = tag.split('-');
  if (place !== placeOf(own) || !/^\d{1,10}$/.test(digits)) return null;
  const pid = Number(digits);
  return exists(pid) && tagOf({ ...own, pid, startedAt: startOf(pid) }) === tag;
}

function tagOf(identity: ProcessIdentity): string {
  return `${placeOf(identity)}-${identity.pid}-${digest(identity.startedAt ?? '')}`;
}

function placeOf({ host, scope }: ProcessIdentity): string {
  return digest(`${host} ${scope}`);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, under another account.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function pidScope(): string {
  if (process.platform !== 'linux') return process.platform;
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
}

function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // proc(5): starttime, in clock ticks since boot, is field 22; field 2 is a name that may hold spaces and brackets.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3] ?? null;
    }
    if (process.platform === 'win32') return null;
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    // It ended meanwhile.
    return null;
  }
}
