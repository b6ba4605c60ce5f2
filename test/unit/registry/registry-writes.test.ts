import { pino } from 'pino';
import type { Database, Transaction } from '../../../src/database/database.js';
import type { MirrorLoader } from '../../../src/registry/mirror-loader.js';
import { RegistryWrites } from '../../../src/registry/registry-writes.js';

test('what is committed has succeeded, although the tree neither takes it nor can be read anew', async () => {
  const database = { transaction: (work: (transaction: Transaction) => unknown) => work({} as Transaction) };
  const loader = { load: () => Promise.reject(new Error('no such tree')) };
  const writes = new RegistryWrites(
    database as unknown as Database,
    loader as unknown as MirrorLoader,
    pino({ enabled: false }),
  );
  const apply = (): void => {
    throw new Error('it does not fit');
  };
  expect(await writes.commit(() => Promise.resolve({ result: 'revision 1', apply }))).toBe('revision 1');
  // Until the tree is what the database says, nothing is written.
  await expect(writes.commit(() => Promise.resolve({ result: 'revision 2', apply }))).rejects.toThrow('no such tree');
});
