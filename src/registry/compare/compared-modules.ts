/** What two revisions change, module by module and in sum. */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { linearModules } from '../../formats/checkpoint/modules.js';
import type { ComparedModule, ComparedTotal } from './comparison.dto.js';
import type { Distances } from './distances.worker.js';

export type Targets = Readonly<Record<string, { rank: number; scale: number; norm: number | null }>>;

/** `models`: of left and right. Norms that a revision doesn't have of its push come from the comparison. */
export function comparedModules(
  models: readonly ModelConfig[],
  left: Targets,
  right: Targets,
  distances: Distances,
): ComparedModule[] {
  const inOrder = new Set(models.flatMap((config) => linearModules(config).map(({ name }) => name)));
  return [...inOrder].flatMap((module): ComparedModule[] => {
    const [one, other] = [left[module], right[module]];
    if (!one && !other) return [];
    const found = distances?.[module];
    return [
      {
        module,
        left: one ? { ...one, norm: found?.leftNorm ?? one.norm } : null,
        right: other ? { ...other, norm: found?.rightNorm ?? other.norm } : null,
        relativeDifference: found?.relative ?? null,
        cosine: found?.cosine ?? null,
      },
    ];
  });
}

/** All modules as one vector. A module that one side leaves alone is zero there. */
export function totalOf(modules: readonly ComparedModule[], isMeasured: boolean): ComparedTotal {
  const leftNorm = rootOfSquares(modules.map(({ left }) => (left ? left.norm : 0)));
  const rightNorm = rootOfSquares(modules.map(({ right }) => (right ? right.norm : 0)));
  const nothing = { leftNorm, rightNorm, relativeDifference: null, cosine: null };
  if (!isMeasured || leftNorm === null || rightNorm === null || leftNorm === 0) return nothing;
  const difference = rootOfSquares(
    modules.map(({ left, right, relativeDifference }) =>
      relativeDifference === null ? (left?.norm ?? 0) + (right?.norm ?? 0) : relativeDifference * (left?.norm ?? 0),
    ),
  );
  const product = modules.reduce(
    (sum, { left, right, cosine }) => sum + (cosine ?? 0) * (left?.norm ?? 0) * (right?.norm ?? 0),
    0,
  );
  return {
    leftNorm,
    rightNorm,
    relativeDifference: difference === null ? null : difference / leftNorm,
    cosine: rightNorm === 0 ? null : Math.min(1, Math.max(-1, product / (leftNorm * rightNorm))),
  };
}

/** Null where one isn't known. */
function rootOfSquares(norms: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const norm of norms) {
    if (norm === null) return null;
    sum += norm * norm;
  }
  return Math.sqrt(sum);
}
