import type { ResolvedPath } from '../../tree/resolved-path.js';

/** Whether any adapter is on the path; else its weights are the base's. */
export function addsToBase({ steps }: ResolvedPath): boolean {
  return steps.some(({ revision, weight }) => revision !== null && weight !== 0);
}
