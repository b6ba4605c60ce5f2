/**
 * Preloaded into the service (`node --import`): how late its main thread's event loop is, how busy, and what processor
 * time the process took. Answers each message of the parent with what was seen since the one before.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

export interface LoopReport {
  /** Delay beyond the sampling interval. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** Share of the time in which the loop was not waiting. */
  utilization: number;
  /** Of all threads of the process. */
  cpuMs: number;
}

const INTERVAL_MS = 2;

// The preload runs in worker threads too.
if (isMainThread && process.send !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  delays.enable();
  let loop = performance.eventLoopUtilization();
  let cpu = process.cpuUsage();
  process.on('message', () => {
    // The histogram holds intervals, in nanoseconds.
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - INTERVAL_MS);
    const used = process.cpuUsage(cpu);
    const report: LoopReport = {
      p50Ms: late(delays.percentile(50)),
      p99Ms: late(delays.percentile(99)),
      maxMs: late(delays.max),
      utilization: performance.eventLoopUtilization(loop).utilization,
      cpuMs: (used.user + used.system) / 1000,
    };
    delays.reset();
    loop = performance.eventLoopUtilization();
    cpu = process.cpuUsage();
    process.send?.(report);
  });
  // The listener would keep the process from ending.
  process.channel?.unref();
}
