import type { PGlite } from '@electric-sql/pglite';

export const prismaFolder: string;
export function emptyInMemory(): Promise<PGlite>;
export function missingMigration(folder?: string): Promise<string | null>;
export function diagnose(database: PGlite): Promise<{
  editedMigrationNames: string[];
  failedMigrationNames: string[];
  hasMigrationsTable: boolean;
  history: unknown;
}>;
