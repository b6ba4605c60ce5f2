/** A database on a PostgreSQL server, dropped at the end. */
import pg from 'pg';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/** `server`: URL of one where databases may be made; none, and it is the embedded one. */
export async function createDatabase(server: string | undefined): Promise<TestDatabase | null> {
  if (server === undefined || server === '') return null;
  const name = `espalier_crash_${process.pid}_${Date.now()}`;
  await run(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function run(server: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
