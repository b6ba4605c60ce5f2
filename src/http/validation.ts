/**
 * Validates what a route declares: `@Body({ schema })`, `@Query({ schema })`, `@Param('id', { schema })`, with a zod
 * schema each. The handler gets the schema's output.
 */
import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { core } from 'zod';
import { InvalidRequestError } from '../errors/requests.js';

const MAX_PROBLEMS = 20;

type Issue = core.$ZodIssue;

export function validationPipe(): StandardSchemaValidationPipe {
  // The schemas are zod's, so the issues are, which hold more than the standard promises.
  return new StandardSchemaValidationPipe({ exceptionFactory: (issues) => invalidRequest(issues as readonly Issue[]) });
}

/** Names the field of the first issue; all of them are in the details. */
export function invalidRequest(issues: readonly Issue[]): InvalidRequestError {
  const problems = issues.slice(0, MAX_PROBLEMS).map(explain);
  const [first] = problems;
  if (!first) return new InvalidRequestError('The request is invalid.');
  const message = first.field === '' ? first.problem : `${first.field}: ${first.problem}`;
  return new InvalidRequestError(message, first.field === '' ? undefined : first.field, { problems });
}

function explain(issue: Issue): { field: string; problem: string } {
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return { field: fieldName([...issue.path, key]), problem: 'This field is not known.' };
  }
  if (issue.code === 'invalid_union') {
    // Of several alternatives, the one that got furthest is most likely the one that was meant.
    const branches = issue.errors.flatMap((branch) => branch.slice(0, 1));
    const furthest = branches.sort((a, b) => b.path.length - a.path.length)[0];
    if (furthest && furthest.path.length > 0) {
      return explain({ ...furthest, path: [...issue.path, ...furthest.path] });
    }
  }
  return { field: fieldName(issue.path), problem: issue.message };
}

/** `messages[0].role` */
function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`;
    return name === '' ? String(key) : `${name}.${String(key)}`;
  }, '');
}
