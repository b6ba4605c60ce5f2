/**
 * The first start makes two keys and leaves them in files that only the owner of the data folder can read. The files
 * are written before the rows: a crash in between leaves files that no row knows, and the next start writes new ones.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '../database/database.js';
import { newKey } from './api-key.js';
import type { Scope } from './scope.js';

const FIRST_KEYS = [
  { name: 'admin', scopes: ['admin'] },
  { name: 'infer', scopes: ['infer'] },
] as const satisfies readonly { name: string; scopes: Scope[] }[];

export interface KeyFiles {
  admin: string;
  infer: string;
  /** Whether both lie there: not, if the keys were made from another data folder, or taken away. */
  present: boolean;
}

export async function ensureFirstKeys(database: Database, dataFolder: string): Promise<KeyFiles> {
  const folder = join(dataFolder, 'keys');
  const files = { admin: join(folder, 'admin.key'), infer: join(folder, 'infer.key') };
  await database.transaction(async (transaction) => {
    // Two services may start on one new database at once.
    await transaction.$executeRaw`LOCK TABLE "ApiKey" IN EXCLUSIVE MODE`;
    if ((await transaction.apiKey.count()) > 0) return;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    for (const { name, scopes } of FIRST_KEYS) {
      const { text, prefix, hash } = newKey();
      await writeSecret(files[name], `${text}\n`);
      await transaction.apiKey.create({ data: { id: randomUUID(), name, prefix, hash, scopes: [...scopes] } });
    }
  });
  return { ...files, present: existsSync(files.admin) && existsSync(files.infer) };
}

async function writeSecret(file: string, text: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
