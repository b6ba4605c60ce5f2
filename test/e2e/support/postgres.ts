/** A fresh database on the PostgreSQL server of ESPALIER_TEST_DATABASE_URL, if there is one. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

export const onPostgres = (process.env['ESPALIER_TEST_DATABASE_URL'] ?? '') !== '';

/** Null without a server. */
export async function createDatabase(): Promise<TestDatabase | null> {
  const server = process.env['ESPALIER_TEST_DATABASE_URL'];
  if (server === undefined || server === '') return null;
  const name = `espalier_${randomUUID().replaceAll('-', '')}`;
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
