/** Two revisions side by side: where they come from, what they change and by how much, and how well they do. */
import { z } from 'zod';

/** A node, by path or id, at its head; or `node@revision`, with a number, an alias or a revision's id. */
const side = z.string().min(1).max(4096);
export const compareQuery = z.strictObject({ left: side, right: side });
export type CompareQuery = z.infer<typeof compareQuery>;

const stepSchema = z.object({
  /** Of the node; null where the key sees nothing of it. */
  path: z.string().nullable(),
  number: z.number(),
  /** Null for what lies above the subtree of the key. */
  id: z.string().nullable(),
  digest: z.string().nullable(),
  recalled: z.boolean(),
});
export type LineageStep = z.infer<typeof stepSchema>;

const sideSchema = z.object({
  node: z.object({ id: z.string(), path: z.string() }),
  /** Name of the base model. */
  model: z.string(),
  /** Null where the node has none. */
  revision: z
    .object({
      id: z.string(),
      number: z.number(),
      digest: z.string(),
      rank: z.number(),
      bytes: z.number(),
      message: z.string().nullable(),
      author: z.string().nullable(),
      isHead: z.boolean(),
      recalled: z.boolean(),
      createdAt: z.iso.datetime(),
    })
    .nullable(),
  tags: z.array(z.string()),
  /** Names of the node that stand for the revision. */
  aliases: z.array(z.string()),
  /** Each was trained on the one before it, the first on the base; the revision itself is the last. */
  lineage: z.array(stepSchema),
});
export type ComparedSide = z.infer<typeof sideSchema>;

/** ΔW of one module, or of all together as one vector. */
const measures = {
  /** ‖Δl − Δr‖_F / ‖Δl‖_F; null where it wasn't measured, or left changes nothing. */
  relativeDifference: z.number().nullable(),
  /** ⟨Δl, Δr⟩ / (‖Δl‖ ‖Δr‖); null where it wasn't measured, or one of them changes nothing. */
  cosine: z.number().nullable(),
};

const targetSchema = z.object({ rank: z.number(), scale: z.number(), norm: z.number().nullable() });

const moduleSchema = z.object({
  /** PEFT module name. */
  module: z.string(),
  /** Null where the revision doesn't target the module. */
  left: targetSchema.nullable(),
  right: targetSchema.nullable(),
  ...measures,
});
export type ComparedModule = z.infer<typeof moduleSchema>;

const totalSchema = z.object({ leftNorm: z.number().nullable(), rightNorm: z.number().nullable(), ...measures });
export type ComparedTotal = z.infer<typeof totalSchema>;

export const comparisonSchema = z
  .object({
    left: sideSchema,
    right: sideSchema,
    /** In the order of the forward pass; those of either. */
    modules: z.array(moduleSchema),
    total: totalSchema,
    /** Why the matrices weren't compared: a side has none, they are for different weights, or it would take too long. */
    unmeasured: z.enum(['no_revision', 'other_model', 'too_large']).nullable(),
    metrics: z.array(z.object({ name: z.string(), left: z.number().nullable(), right: z.number().nullable() })),
  })
  .meta({ id: 'Comparison' });
export type ComparisonDto = z.infer<typeof comparisonSchema>;
