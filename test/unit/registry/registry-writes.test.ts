import { pino } from 'pino';
import { SYSTEM } from '../../../src/access/request-context.js';
import type { Database, Transaction } from '../../../src/database/database.js';
import type { ChangeFeed } from '../../../src/registry/change-feed.js';
import type { MirrorLoader } from '../../../src/registry/mirror-loader.js';
import { RegistryEvents } from '../../../src/registry/registry-events.js';
import { RegistryWrites, type Change } from '../../../src/registry/registry-writes.js';
import type { TreeMirror } from '../../../src/registry/tree-mirror.js';

test('what is committed has succeeded, although the tree neither takes it nor can be read anew', async () => {
  const transaction = { $executeRaw: () => Promise.resolve(1), auditEntry: { createMany: () => Promise.resolve() } };
  const database = { transaction: (work: (t: Transaction) => unknown) => work(transaction as unknown as Transaction) };
  const mirror = {
    apply: (): void => {
      throw new Error('it does not fit');
    },
  };
  const writes = new RegistryWrites(
    database as unknown as Database,
    mirror as unknown as TreeMirror,
    { load: () => Promise.reject(new Error('no such tree')) } as unknown as MirrorLoader,
    { applied: 0n, catchUp: () => Promise.resolve(), advance: () => undefined } as unknown as ChangeFeed,
    new RegistryEvents(),
    pino({ enabled: false }),
  );
  const change = (result: string): Promise<Change<string>> =>
    Promise.resolve({
      result,
      change: {},
      audit: [{ action: 'node.create', nodeId: null, path: null, before: null, after: null }],
    });
  expect(await writes.commit(SYSTEM, () => change('revision 1'))).toBe('revision 1');
  // Until the tree is what the database says, nothing is written.
  await expect(writes.commit(SYSTEM, () => change('revision 2'))).rejects.toThrow('no such tree');
});
