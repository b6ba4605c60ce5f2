/** SQL on the database of a service. The embedded one is open to one process alone: stop the service first. */
import { PGlite } from '@electric-sql/pglite';
import { join } from 'node:path';
import pg from 'pg';
import type { TestService } from './service.js';

export interface OpenDatabase {
  query<Row extends object>(sql: string): Promise<Row[]>;
  close(): Promise<void>;
}

export async function openDatabase(service: TestService): Promise<OpenDatabase> {
  const url = service.env['DATABASE_URL'];
  if (url === undefined) {
    const embedded = await PGlite.create(join(service.dataFolder, 'database'));
    return {
      query: async <Row extends object>(sql: string) => (await embedded.query<Row>(sql)).rows,
      close: () => embedded.close(),
    };
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return {
    query: async <Row extends object>(sql: string) => (await client.query<Row>(sql)).rows,
    close: () => client.end(),
  };
}
