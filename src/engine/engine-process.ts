/** One engine process, seen from the service: commands out, events in, and its end. */
import { type ChildProcess, fork } from 'node:child_process';
import type { EngineCommand, EngineEvent } from './protocol.js';

export interface EngineProcessListener {
  event(event: EngineEvent): void;
  /** Once, when the process is gone. `how` is a signal or an exit code, in words. */
  ended(how: string): void;
}

export class EngineProcess {
  readonly #child: ChildProcess;
  readonly #killWithParent = () => this.kill();

  /** Node runs `file`; what it writes goes to this process's stderr, for stdout is for people. */
  constructor(file: string, listener: EngineProcessListener) {
    this.#child = fork(file, [], { execArgv: [], stdio: ['ignore', 2, 2, 'ipc'] });
    let gone = false;
    const ended = (how: string) => {
      if (gone) return;
      gone = true;
      process.off('exit', this.#killWithParent);
      listener.ended(how);
    };
    this.#child.on('message', (message) => {
      // Only our own entry file is at the other end.
      if (!gone) listener.event(message as unknown as EngineEvent);
    });
    this.#child.on('exit', (code, signal) => ended(signal ?? `exit code ${code ?? 'unknown'}`));
    this.#child.on('error', (error) => {
      // It could not be started; a message that could not be sent is told to `send`.
      if (this.#child.pid === undefined) ended(error.message);
    });
    process.on('exit', this.#killWithParent);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** To a process that is ending, nothing is sent: its end is told soon. */
  send(command: EngineCommand): void {
    if (this.#child.connected) this.#child.send(command, () => undefined);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
