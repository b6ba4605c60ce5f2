/** Tells an outage of the database from a mistake in a query. */
import { DatabaseUnavailableError } from '../errors.js';

/**
 * Prisma: no server, wrong or refused login, no database of that name, timeouts, closed connection, no connection or
 * transaction to be had, too many connections.
 */
const PRISMA_CODES = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2037',
]);

/** SQLSTATE classes: connection exception, insufficient resources (disk full), operator intervention, system error. */
const SQLSTATE = /^(08|53|57|58)[0-9A-Z]{3}$/;

const SOCKET = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_)/;

const MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|PGlite is clos|Unable to start a transaction|RuntimeError: unreachable|Cannot use a pool after calling end/i;

/** The error that callers get for what a query threw. */
export function explainDatabaseError(error: unknown): unknown {
  return isUnavailable(error) ? new DatabaseUnavailableError(error) : error;
}

export function isUnavailable(error: unknown): boolean {
  // A chain of causes, and what Prisma keeps of the driver's error; bounded, in case of a circle.
  for (let at: unknown = error, depth = 0; at instanceof Object && depth < 6; depth += 1) {
    const { code, originalCode, message, cause, meta } = at as Record<string, unknown>;
    for (const text of [code, originalCode]) {
      if (typeof text === 'string' && (PRISMA_CODES.has(text) || SQLSTATE.test(text) || SOCKET.test(text))) return true;
    }
    if (typeof message === 'string' && MESSAGE.test(message)) return true;
    at = cause ?? (meta instanceof Object ? (meta as Record<string, unknown>)['driverAdapterError'] : undefined);
  }
  return false;
}
