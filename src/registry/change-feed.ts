/**
 * Keeps the tree up with what other instances commit: reads the entries of the audit log that are newer than the tree,
 * and the rows that they name. Used by one at a time, in the queue of the writes.
 */
import { Injectable } from '@nestjs/common';
import type { Transaction } from '../database/database.js';
import { changedRows, mergeRows, readChange } from './changed-rows.js';
import { ModelFolders } from './model-folders.js';
import { RegistryEvents } from './registry-events.js';
import { TreeMirror } from './tree-mirror.js';

/** Of entries; a longer absence takes several rounds. */
const BATCH = 1_000;

@Injectable()
export class ChangeFeed {
  /** Sequence of the newest entry that the tree has. */
  #applied = 0n;

  constructor(
    private readonly mirror: TreeMirror,
    private readonly events: RegistryEvents,
    private readonly folders: ModelFolders,
  ) {}

  get applied(): bigint {
    return this.#applied;
  }

  /** The tree has everything up to here. */
  advance(sequence: bigint): void {
    this.#applied = sequence;
  }

  /**
   * `reader` sees one state of the database: with the writers' lock, or in a snapshot. Throws what the tree refuses; then
   * it has to be read anew.
   */
  async catchUp(reader: Transaction): Promise<void> {
    for (;;) {
      const entries = await reader.auditEntry.findMany({
        where: { sequence: { gt: this.#applied } },
        orderBy: { sequence: 'asc' },
        take: BATCH,
        select: { sequence: true, action: true, nodeId: true, path: true, changes: true },
      });
      const last = entries.at(-1);
      if (!last) return;
      const rows = entries.map(({ changes }) => changedRows.parse(changes));
      this.mirror.apply(await readChange(reader, mergeRows(rows), this.folders.root));
      this.#applied = last.sequence;
      for (const [i, { sequence, action, nodeId, path }] of entries.entries()) {
        this.events.emit({ sequence, action, nodeId, path, changed: rows[i] ?? {} });
      }
      if (entries.length < BATCH) return;
    }
  }
}
