/** The body of every error on every route, in the shape that OpenAI's clients know. */
import { z } from 'zod';
import type { ErrorShape } from '../errors/espalier-error.js';

export const errorBodySchema = z
  .object({
    error: z.object({
      message: z.string().describe('What is wrong, in which thing, and what to do.'),
      type: z.enum([
        'invalid_request_error',
        'authentication_error',
        'permission_error',
        'rate_limit_error',
        'server_error',
      ]),
      param: z.string().nullable().describe('The field of the request that is at fault.'),
      code: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.infer<typeof errorBodySchema>;

export function errorBody({ message, status, param, code, details }: ErrorShape): ErrorBody {
  return { error: { message, type: errorType(status), param: param ?? null, code, ...(details ? { details } : {}) } };
}

function errorType(status: number): ErrorBody['error']['type'] {
  if (status >= 500) return 'server_error';
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return 'invalid_request_error';
}
