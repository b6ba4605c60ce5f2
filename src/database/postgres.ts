/** A PostgreSQL server, by DATABASE_URL. Prisma's `?schema=` works. */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { DatabaseOpenError, MigrationError } from '../errors/database.js';
import type { Logger } from '../logger.js';
import type { Driver } from './driver.js';
import { migrate } from './migrations.js';
import { PostgresListener } from './postgres-listener.js';

/** Several services may start at once on one database. The number is the one that `prisma migrate` locks with. */
const MIGRATION_LOCK = 72707369;

const CONNECT_TIMEOUT_MS = 5_000;

export async function openPostgres(databaseUrl: string, logger: Logger): Promise<Driver> {
  const url = parse(databaseUrl);
  const schema = url.searchParams.get('schema') ?? 'public';
  url.searchParams.delete('schema');
  const description = `PostgreSQL at ${url.host}${url.pathname}`;
  const pool = new pg.Pool({
    connectionString: url.href,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    ...(schema === 'public' ? {} : { options: `-c search_path="${schema}"` }),
  });
  // Without a listener, an idle connection that the server closes would end this process.
  pool.on('error', (error) => logger.warn({ err: error }, 'a database connection was lost'));
  try {
    const migrated = await migratePool(pool, schema);
    return {
      adapter: new PrismaPg(pool, { schema }),
      description,
      migrated,
      listen: (channel, heard) => new PostgresListener({ connectionString: url.href, channel, heard, logger }),
      close: () => pool.end(),
    };
  } catch (error) {
    await pool.end();
    throw error instanceof MigrationError ? error : new DatabaseOpenError(description, error);
  }
}

function parse(databaseUrl: string): URL {
  // Not in the message: the value, which holds a password.
  if (!URL.canParse(databaseUrl)) {
    throw new DatabaseOpenError('of DATABASE_URL', 'write postgresql://user:password@host:port/database.');
  }
  return new URL(databaseUrl);
}

async function migratePool(pool: pg.Pool, schema: string): Promise<string[]> {
  const client = await pool.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    if (schema !== 'public') await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(schema)}`);
    return await migrate({
      script: async (sql) => {
        await client.query(sql);
      },
      query: async (sql, parameters) => (await client.query<Record<string, unknown>>(sql, parameters)).rows,
    });
  } finally {
    // Ends the session, and with it the lock, however this went.
    client.release(true);
  }
}
