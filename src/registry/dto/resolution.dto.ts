/** What a path means now, step by step, with the reason for each; and what a path digest stood for. */
import { z } from 'zod';
import type { ResolvedPath, ResolvedStep } from '../../tree/resolved-path.js';

export const resolveQuery = z.strictObject({ path: z.string().min(1).max(4096) });
export type ResolveQuery = z.infer<typeof resolveQuery>;

export const resolutionSchema = z.object({
  /** Canonical form of what was asked for. */
  path: z.string(),
  /** Path digest. */
  digest: z.string(),
  model: z.object({ id: z.string(), name: z.string(), digest: z.string() }),
  /** Root to leaf, without the root. */
  steps: z.array(
    z.object({
      node: z.object({ id: z.string(), path: z.string() }),
      weight: z.number(),
      revision: z
        .object({ id: z.string(), number: z.number(), digest: z.string(), rank: z.number(), bytes: z.number() })
        .nullable(),
      reason: z.enum(['head', 'explicit', 'pinned', 'follow', 'empty']),
      /** The reason in words. */
      explanation: z.string(),
      stale: z.boolean(),
      offPin: z.boolean(),
    }),
  ),
  totals: z.object({
    /** Steps that add something to the base. */
    adapters: z.number(),
    /** Rank rows that the path takes in the bank. */
    rank: z.number(),
    bytes: z.number(),
  }),
});
export type ResolutionDto = z.infer<typeof resolutionSchema>;

const servedStepsSchema = z.array(
  z.object({
    /** Path of the node then. */
    path: z.string(),
    revision: z.number(),
    digest: z.string(),
    weight: z.number(),
  }),
);

export const servedPathSchema = z.object({
  digest: z.string(),
  /** The path as it was asked for first. */
  path: z.string(),
  model: z.object({ name: z.string(), digest: z.string() }),
  steps: servedStepsSchema,
  firstServed: z.iso.datetime(),
});
export type ServedPathDto = z.infer<typeof servedPathSchema>;

export function toResolutionDto(resolved: ResolvedPath): ResolutionDto {
  const active = resolved.steps.filter((step) => step.revision !== null && step.weight !== 0);
  const sum = (pick: (revision: { rank: number; bytes: number }) => number) =>
    active.reduce((total, { revision }) => total + (revision === null ? 0 : pick(revision)), 0);
  return {
    path: resolved.path,
    digest: resolved.digest,
    model: resolved.model,
    steps: resolved.steps.map((step) => ({
      node: { id: step.nodeId, path: step.nodePath },
      weight: step.weight,
      revision: step.revision === null ? null : shownRevision(step.revision),
      reason: step.reason,
      explanation: explain(step),
      stale: step.stale,
      offPin: step.offPin,
    })),
    totals: { adapters: active.length, rank: sum(({ rank }) => rank), bytes: sum(({ bytes }) => bytes) },
  };
}

/** The steps that make the digest, as they are kept. */
export function servedSteps({ steps }: ResolvedPath): z.infer<typeof servedStepsSchema> {
  return steps.flatMap(({ nodePath, weight, revision }) =>
    revision === null || weight === 0
      ? []
      : [{ path: nodePath, revision: revision.number, digest: revision.digest, weight }],
  );
}

export interface ServedPathRow {
  digest: string;
  path: string;
  modelName: string;
  baseDigest: string;
  steps: unknown;
  firstServed: Date;
}

export function toServedPathDto(row: ServedPathRow): ServedPathDto {
  return {
    digest: row.digest,
    path: row.path,
    model: { name: row.modelName, digest: row.baseDigest },
    steps: servedStepsSchema.parse(row.steps),
    firstServed: row.firstServed.toISOString(),
  };
}

function shownRevision({ id, number, digest, rank, bytes }: NonNullable<ResolvedStep['revision']>) {
  return { id, number, digest, rank, bytes };
}

function explain(step: ResolvedStep): string {
  const number = step.revision?.number ?? 0;
  const parts = [
    {
      head: `revision ${number} is the node's head`,
      explicit: `revision ${number} is named in the path`,
      pinned: `revision ${number} is what the node below was trained on`,
      follow: `revision ${number} is the head, which the node below follows`,
      empty: 'the node contributes no revision',
    }[step.reason],
  ];
  if (step.weight === 0) parts.push('its weight is 0, so it is left out of the sum');
  if (step.offPin) parts.push('it is another one than the node below was trained on');
  if (step.stale) parts.push('it was trained on another revision of a node above than the head there');
  return `${parts.join('; ')}.`;
}
