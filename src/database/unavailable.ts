/** Tells an outage of the database from a mistake in a query. */
import { DatabaseUnavailableError } from '../errors/database.js';

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

/** The same, as the driver adapters say it. */
const DRIVER_KINDS = new Set([
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TooManyConnections',
  'AuthenticationFailed',
  'DatabaseAccessDenied',
  'DatabaseDoesNotExist',
  'TlsConnectionError',
]);

/** SQLSTATE classes: connection exception, insufficient resources (disk full), operator intervention, system error. */
const SQLSTATE = /^(08|53|57|58)[0-9A-Z]{3}$/;

const SOCKET = /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|EAI_)/;

const MESSAGE =
  /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error|PGlite is clos|Unable to start a transaction|RuntimeError: unreachable|Cannot use a pool after calling end/i;

const MAX_CAUSES = 5;

/** The error that callers get for what a query threw. */
export function explainDatabaseError(error: unknown): unknown {
  return isUnavailable(error) ? new DatabaseUnavailableError(error) : error;
}

/** Looks at the error, what it came from, and what Prisma keeps of the driver's error. */
export function isUnavailable(error: unknown, depth = 0): boolean {
  // Should the causes go round in a circle.
  if (!(error instanceof Object) || depth > MAX_CAUSES) return false;
  const { code, originalCode, kind, message, cause, meta } = error as Record<string, unknown>;
  return (
    [code, originalCode].some(isOutageCode) ||
    (typeof kind === 'string' && DRIVER_KINDS.has(kind)) ||
    (typeof message === 'string' && MESSAGE.test(message)) ||
    isUnavailable(cause, depth + 1) ||
    (meta instanceof Object && isUnavailable((meta as Record<string, unknown>)['driverAdapterError'], depth + 1))
  );
}

function isOutageCode(code: unknown): boolean {
  return typeof code === 'string' && (PRISMA_CODES.has(code) || SQLSTATE.test(code) || SOCKET.test(code));
}
