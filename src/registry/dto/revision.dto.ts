/** A revision of a node, and what a push says. */
import { z } from 'zod';
import { plainText } from '../../http/plain-text.js';

/** A revision by its number within the node, or by its id. */
export const revisionReference = z.union([z.number().int().positive(), z.string().min(1).max(64)]);
export type RevisionReference = z.infer<typeof revisionReference>;

const pushFields = {
  /** The node; it is made if only its last segment is missing. */
  path: z.string().min(1).max(4096),
  /** The parent's revision that the adapter was trained on; left out, it is the parent's head, with a warning. */
  trainedOn: revisionReference.optional(),
  message: plainText(2000).optional(),
};

export const pushFolderBody = z.strictObject({
  ...pushFields,
  /** A PEFT folder on the machine of the service. */
  folder: plainText(4096).min(1),
});
export type PushFolder = z.infer<typeof pushFolderBody>;

/** The text fields of a multipart push; the files are `adapter_config.json` and `adapter_model.safetensors`. */
export const pushUploadFields = z.strictObject(pushFields);
export type PushUpload = z.infer<typeof pushUploadFields>;

/** Such a form as a whole. It is never parsed as one: its files are streamed. */
export const pushForm = pushUploadFields.extend({
  'adapter_config.json': z.file(),
  'adapter_model.safetensors': z.file(),
});

export const promoteBody = z.strictObject({ revision: revisionReference });
export type Promote = z.infer<typeof promoteBody>;

/** By PEFT module name. */
export const targetsSchema = z.record(
  z.string(),
  z.object({
    rank: z.number(),
    scale: z.number(),
    /** ‖ΔW‖_F; null for revisions that are older than this number, or too large for it. */
    norm: z.number().nullable().default(null),
  }),
);

export const revisionSchema = z
  .object({
    id: z.string(),
    nodeId: z.string(),
    /** Path of the node. */
    path: z.string(),
    number: z.number(),
    /** Revision digest: effective config and tensors. */
    digest: z.string(),
    /** The parent's revision that it was trained on; null where the parent had none. */
    trainedOn: z.object({ id: z.string(), number: z.number() }).nullable(),
    /** Largest rank over its modules. */
    rank: z.number(),
    bytes: z.number(),
    targets: targetsSchema,
    message: z.string().nullable(),
    warnings: z.array(z.string()),
    /** It is what the node serves by default. */
    isHead: z.boolean(),
    /** Out of service; `fallback` is the number of the revision that stands in for it, null where none does. */
    recalled: z
      .object({ at: z.iso.datetime(), reason: z.string().nullable(), fallback: z.number().nullable() })
      .nullable(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Revision' });
export type RevisionDto = z.infer<typeof revisionSchema>;

export const pushedRevisionSchema = revisionSchema
  .extend({
    /** The node already has this very revision: nothing was done. */
    unchanged: z.boolean(),
  })
  .meta({ id: 'PushedRevision' });
export type PushedRevisionDto = z.infer<typeof pushedRevisionSchema>;

export interface RevisionRow {
  id: string;
  nodeId: string;
  number: number;
  digest: string;
  rank: number;
  bytes: bigint;
  targets: unknown;
  message: string | null;
  warnings: string[];
  createdAt: Date;
  recalledAt: Date | null;
  recallReason: string | null;
  trainedOn: { id: string; number: number } | null;
  fallback: { number: number } | null;
}

/** What a query must include for `toRevisionDto`. */
export const revisionRelations = {
  trainedOn: { select: { id: true, number: true } },
  fallback: { select: { number: true } },
} as const;

export function toRevisionDto(row: RevisionRow, path: string, headId: string | null): RevisionDto {
  return {
    id: row.id,
    nodeId: row.nodeId,
    path,
    number: row.number,
    digest: row.digest,
    trainedOn: row.trainedOn,
    rank: row.rank,
    bytes: Number(row.bytes),
    targets: targetsSchema.parse(row.targets),
    message: row.message,
    warnings: row.warnings,
    isHead: row.id === headId,
    recalled: row.recalledAt && {
      at: row.recalledAt.toISOString(),
      reason: row.recallReason,
      fallback: row.fallback?.number ?? null,
    },
    createdAt: row.createdAt.toISOString(),
  };
}
