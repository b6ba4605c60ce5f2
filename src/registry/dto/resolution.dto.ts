/** What a path means now, step by step, with the reason for each; and what a path digest stood for. */
import { z } from 'zod';
import type { ResolvedPath, ResolvedStep } from '../../tree/resolved-path.js';

export const resolveQuery = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(4096)
    .meta({ examples: ['storyteller/french:0.8/verne@1'] }),
});
export type ResolveQuery = z.infer<typeof resolveQuery>;

export const resolutionSchema = z
  .object({
    path: z.string().describe('Canonical form of what was asked for.'),
    redirectedFrom: z.string().nullable().describe('What was asked for, where a node has moved from there.'),
    digest: z.string().describe('Path digest.'),
    model: z
      .object({ id: z.string().nullable(), name: z.string(), digest: z.string().nullable() })
      .describe('To a key that is bound to a subtree of it, a model shows its name alone.'),
    steps: z
      .array(
        z.object({
          /** What lies above the subtree of the key shows name and revision number alone. */
          node: z.object({ id: z.string().nullable(), path: z.string() }),
          weight: z.number(),
          revision: z
            .object({
              id: z.string().nullable(),
              number: z.number(),
              digest: z.string().nullable(),
              rank: z.number().nullable(),
              bytes: z.number().nullable(),
            })
            .nullable(),
          reason: z.enum(['head', 'explicit', 'pinned', 'follow', 'empty', 'fallback']),
          /** The reason in words. */
          explanation: z.string(),
          stale: z.boolean(),
          offPin: z.boolean(),
          /** Number of the recalled revision that would be served here. */
          recalled: z.number().nullable(),
        }),
      )
      .describe('Root to leaf, without the root.'),
    totals: z.object({
      adapters: z.number().describe('Steps that add something to the base.'),
      rank: z.number().describe('Rank rows that the path takes in the bank.'),
      bytes: z.number(),
    }),
  })
  .meta({ id: 'Resolution' });
export type ResolutionDto = z.infer<typeof resolutionSchema>;

const servedStepsSchema = z.array(
  z.object({
    path: z.string().describe('Path of the node then.'),
    revision: z.number(),
    digest: z.string().nullable().describe('Null for what lies above the subtree of the key.'),
    weight: z.number(),
  }),
);

export const servedPathSchema = z
  .object({
    digest: z.string(),
    path: z.string().describe('The path as it was asked for first.'),
    model: z.object({ name: z.string(), digest: z.string().nullable() }),
    steps: servedStepsSchema,
    firstServed: z.iso.datetime(),
  })
  .meta({ id: 'ServedPath' });
export type ServedPathDto = z.infer<typeof servedPathSchema>;

/** `isShown`: whether the caller may see all of a node, or of a model. */
export function toResolutionDto(
  resolved: ResolvedPath,
  isShown: (nodeId: string) => boolean = () => true,
  isModelShown: (modelId: string) => boolean = () => true,
): ResolutionDto {
  const { id, name, digest } = resolved.model;
  const active = resolved.steps.filter((step) => step.revision !== null && step.weight !== 0);
  const sum = (pick: (revision: { rank: number; bytes: number }) => number) =>
    active.reduce((total, { revision }) => total + (revision === null ? 0 : pick(revision)), 0);
  return {
    path: resolved.path,
    digest: resolved.digest,
    redirectedFrom: resolved.redirectedFrom,
    model: isModelShown(id) ? { id, name, digest } : { id: null, name, digest: null },
    steps: resolved.steps.map((step) => ({
      node: { id: isShown(step.nodeId) ? step.nodeId : null, path: step.nodePath },
      weight: step.weight,
      revision: step.revision === null ? null : shownRevision(step.revision, isShown(step.nodeId)),
      reason: step.reason,
      explanation: explain(step),
      stale: step.stale,
      offPin: step.offPin,
      recalled: step.recalled,
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

/** `hidden`: how many nodes, the model included, lie above the caller's subtree. */
export function toServedPathDto(row: ServedPathRow, hidden: number): ServedPathDto {
  return {
    digest: row.digest,
    path: row.path,
    model: { name: row.modelName, digest: hidden > 0 ? null : row.baseDigest },
    steps: servedStepsSchema
      .parse(row.steps)
      .map((step) => (step.path.split('/').length <= hidden ? { ...step, digest: null } : step)),
    firstServed: row.firstServed.toISOString(),
  };
}

function shownRevision({ id, number, digest, rank, bytes }: NonNullable<ResolvedStep['revision']>, inFull: boolean) {
  return inFull ? { id, number, digest, rank, bytes } : { id: null, number, digest: null, rank: null, bytes: null };
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
      fallback: `${step.revision ? `revision ${number}` : 'nothing'} stands in for revision ${step.recalled ?? 0}, which the node below was trained on and which was recalled`,
    }[step.reason],
  ];
  if (step.weight === 0) parts.push('its weight is 0, so it is left out of the sum');
  if (step.offPin && step.reason !== 'fallback') parts.push('it is another one than the node below was trained on');
  if (step.stale) parts.push('it was trained on another revision of a node above than the head there');
  return `${parts.join('; ')}.`;
}
