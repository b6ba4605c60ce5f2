import { EspalierError } from './espalier-error.js';
import { StartError } from './start-up.js';

export class DatabaseOpenError extends StartError {
  constructor(where: string, cause: unknown) {
    super(`The database ${where} can't be opened: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** The database's history of migrations and this build's don't fit together. */
export class MigrationError extends StartError {
  constructor(migration: string, problem: string, cause?: unknown) {
    super(`Migration "${migration}" ${problem}`, { cause });
  }
}

/** The database can't be reached or doesn't answer; what is in memory is still served. */
export class DatabaseUnavailableError extends EspalierError {
  constructor(cause: unknown) {
    super(
      {
        code: 'database_unavailable',
        status: 503,
        message: 'The database is not available now, so nothing can be changed. Try again.',
        retryAfterSeconds: 5,
      },
      { cause },
    );
  }
}
