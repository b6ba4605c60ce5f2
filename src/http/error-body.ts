/** The body of every error on every route, in the shape that OpenAI's clients know. */
import type { ErrorShape } from '../errors.js';

export interface ErrorBody {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string;
    details?: Record<string, unknown>;
  };
}

export function errorBody({ message, status, param, code, details }: ErrorShape): ErrorBody {
  return { error: { message, type: errorType(status), param: param ?? null, code, ...(details ? { details } : {}) } };
}

function errorType(status: number): string {
  if (status >= 500) return 'server_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return 'invalid_request_error';
}
