/**
 * Entry of an engine process, which `EngineSupervisor` forks: commands in, events out, over Node's IPC channel.
 *
 * It ends with its parent, because a closed channel ends it. Signals that a terminal or a service manager sends to the
 * whole group are left to the parent, which then asks for an orderly end.
 */
import { writeFileSync } from 'node:fs';
import { AdapterLoaderThreads } from './adapter-loader.js';
import { Engine } from './engine.js';
import type { EngineCommand, EngineEvent } from './protocol.js';

let engine: Engine | null = null;

function emit(event: EngineEvent, sent?: () => void): void {
  // A channel that closes meanwhile ends the process anyway.
  process.send?.(event, undefined, undefined, sent ?? (() => undefined));
}

function obey(command: EngineCommand): void {
  if (command.type === 'configure') {
    engine = new Engine(command.limits, emit, new AdapterLoaderThreads());
    return emit({ type: 'ready' });
  }
  if (engine === null) throw new Error(`the engine was asked to ${command.type} before it was configured`);
  switch (command.type) {
    case 'load':
      return engine.load(command.model);
    case 'unload':
      return engine.unload(command.digest);
    case 'merge':
      return engine.merge(command.merge);
    case 'unmerge':
      return engine.unmerge(command.pathDigest);
    case 'submit':
      return engine.submit(command.request);
    case 'cancel':
      return engine.cancel(command.id);
    case 'pin':
      return engine.pin(command.digest, command.adapters);
    case 'shutdown':
      return void engine.shutdown(command.graceMs).then(() => emit({ type: 'stopped' }, () => process.exit(0)));
  }
}

/** Short of memory, the kernel takes this process, which can be started again, and not the one with the database. */
function volunteerForTheOutOfMemoryKiller(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not allowed: then the kernel chooses.
  }
}

if (process.send === undefined) {
  process.stderr.write('This is the engine of Espalier. It is started by the service: run `npm start`.\n');
  process.exit(1);
}
volunteerForTheOutOfMemoryKiller();
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('SIGHUP', () => undefined);
process.on('disconnect', () => process.exit(0));
// Only the supervisor holds the other end of the channel.
process.on('message', (message) => obey(message as EngineCommand));
