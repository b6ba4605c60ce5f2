/**
 * What a mutation answers: its payload, or the failure that a client has to reckon with, as one of the types of its
 * result. What nobody can plan for (no scope, no database, a fault of ours) is thrown, and ends in `errors` with its code.
 */
import { EspalierError } from '../errors/espalier-error.js';

export interface Failure {
  __typename: 'NotFound' | 'VersionConflict' | 'Refused';
  code: string;
  message: string;
  param: string | null;
  details: Record<string, unknown> | null;
  version?: unknown;
  current?: object | null;
}

/** `changes`: the type of what the mutation changes, which a conflict shows as it is now. */
export interface Outcome {
  payload: string;
  changes?: string;
}

export type Result<T> = (T & { __typename: string }) | Failure;

export async function outcome<T extends object>(
  { payload, changes }: Outcome,
  work: () => T | Promise<T>,
): Promise<Result<T>> {
  try {
    return { ...(await work()), __typename: payload };
  } catch (error) {
    if (!(error instanceof EspalierError) || !isExpected(error)) throw error;
    return toFailure(error, changes);
  }
}

/** Nothing that was asked for is at fault: the key, the time, the load. */
const UNEXPECTED = new Set([401, 408, 429]);

function isExpected({ status }: EspalierError): boolean {
  return status < 500 && !UNEXPECTED.has(status);
}

function toFailure(error: EspalierError, changes?: string): Failure {
  const { status, code, message, details = {} } = error;
  const failure = { code, message, param: error.param ?? null };
  if (status === 404) return { ...failure, __typename: 'NotFound', details };
  if (status !== 412) return { ...failure, __typename: 'Refused', details };
  const { version, current } = details;
  return {
    ...failure,
    __typename: 'VersionConflict',
    details: null,
    version,
    current: isObject(current) && changes !== undefined ? { ...current, __typename: changes } : null,
  };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
