/** Finds out, in a process of its own, whether this machine has a GPU that can be used. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * `software`: whether a driver computes on the CPU in its stead; null where the system doesn't tell. `float16`: whether
 * shaders compute with it (WebGPU's `shader-f16`).
 */
export type GpuProbe = { usable: true; software: boolean | null; float16: boolean } | { usable: false; reason: string };

/** Beside this file in the built service. */
const PROBE_FILE = fileURLToPath(new URL('./probe-process.js', import.meta.url));
/** Some drivers take seconds to start. */
const DEADLINE_MS = 30_000;

export function probeGpu(file = PROBE_FILE, deadlineMs = DEADLINE_MS): Promise<GpuProbe> {
  return new Promise((resolve) => {
    const child = fork(file, [], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const settle = (probe: GpuProbe) => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.on('error', () => undefined);
      child.kill('SIGKILL');
      resolve(probe);
    };
    const timer = setTimeout(
      () => settle({ usable: false, reason: `trying it took longer than ${deadlineMs / 1000} s` }),
      deadlineMs,
    );
    // Only our own file is at the other end.
    child.on('message', (message) => settle(message as unknown as GpuProbe));
    child.on('error', ({ message }) => settle({ usable: false, reason: message }));
    child.on('exit', (code, signal) => {
      settle({
        usable: false,
        reason: `its driver ended the process that tried it (${signal ?? `exit code ${code}`})`,
      });
    });
  });
}
