/** Tells who is interested what has just been committed, here or by another instance, once the tree has it. */
import { Injectable } from '@nestjs/common';
import { EventEmitter } from 'node:events';
import type { ChangedRows } from './changed-rows.js';

/** One entry of the audit log. */
export interface Committed {
  sequence: bigint;
  action: string;
  nodeId: string | null;
  path: string | null;
  changed: ChangedRows;
}

@Injectable()
export class RegistryEvents {
  readonly #emitter = new EventEmitter<{ committed: [Committed] }>().setMaxListeners(0);

  emit(committed: Committed): void {
    this.#emitter.emit('committed', committed);
  }

  /** Returns what ends it. */
  subscribe(listener: (committed: Committed) => void): () => void {
    this.#emitter.on('committed', listener);
    return () => this.#emitter.off('committed', listener);
  }
}
