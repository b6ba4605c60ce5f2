/** A revision of a node, and what a push says. */
import { z } from 'zod';
import { jsonText, plainText } from '../../http/plain-text.js';
import { hubReference, revisionSource, sourceSchema } from './hub.dto.js';
import { tagsSchema } from './tags.js';

export const MAX_CARD_BYTES = 1024 * 1024;
const MAX_METRICS = 64;

/** A revision by its number within the node, or by its id. */
export const revisionReference = z.union([z.number().int().positive(), z.string().min(1).max(64)]);
export type RevisionReference = z.infer<typeof revisionReference>;

/** As trainers name them: `eval_loss`, `rouge/l`, `recall@5`. */
export const metricName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._/@%+-]{0,127}$/,
    'A metric has a name of up to 128 letters, digits, ".", "_", "/", "@", "%", "+" or "-".',
  );

const metricsSchema = z
  .record(metricName, z.number())
  .refine((metrics) => Object.keys(metrics).length <= MAX_METRICS, { message: `At most ${MAX_METRICS} metrics.` });

const sha256Schema = z
  .string()
  .toLowerCase()
  .regex(/^[0-9a-f]{64}$/, 'A SHA-256 is expected, as 64 hexadecimal digits.');

const pushFields = {
  path: z.string().min(1).max(4096).describe('The node; it is made if only its last segment is missing.'),
  trainedOn: revisionReference
    .optional()
    .describe(
      "The parent's revision that the adapter was trained on; left out, it is the parent's head, with a warning.",
    ),
  message: plainText(2000).optional(),
  author: plainText(200).min(1).optional().describe('Left out, it is the name of the key.'),
  metrics: metricsSchema.optional().describe('Numbers by name.'),
  tags: tagsSchema.optional(),
  digest: sha256Schema.optional().describe('Refused where the revision digest is another.'),
  sha256: sha256Schema.optional().describe('Of adapter_model.safetensors. Refused where it is another.'),
};

const card = plainText(MAX_CARD_BYTES)
  .refine((text) => Buffer.byteLength(text) <= MAX_CARD_BYTES, { message: `At most ${MAX_CARD_BYTES} bytes.` })
  .optional()
  .describe('Markdown. Left out, it is the README.md beside the adapter, if there is one.');

export const pushFolderBody = z.strictObject({
  ...pushFields,
  card,
  folder: plainText(4096).min(1).describe('A PEFT folder on the machine of the service.'),
});
export type PushFolder = z.infer<typeof pushFolderBody>;

export const pushHubBody = z.strictObject({ ...pushFields, card, hub: hubReference });
export type PushHub = z.infer<typeof pushHubBody>;

/** The text fields of a multipart push; its files are `adapter_config.json`, `adapter_model.safetensors`, `README.md`. */
export const pushUploadFields = z.strictObject({
  ...pushFields,
  metrics: jsonText(metricsSchema).optional().describe('JSON: numbers by name.'),
  tags: jsonText(tagsSchema).optional().describe('JSON: a list of texts.'),
});

/** What a push says, however its files come. */
export type PushFields = z.infer<typeof pushUploadFields> & { card?: string };

/** Such a form as a whole. It is never parsed as one: its files are streamed. */
export const pushForm = pushUploadFields.extend({
  'adapter_config.json': z.file(),
  'adapter_model.safetensors': z.file(),
  'README.md': z.file().optional().describe('The card.'),
});

export const revisionTagsBody = z.strictObject({ tags: tagsSchema });
export type RevisionTags = z.infer<typeof revisionTagsBody>;

export const promoteBody = z.strictObject({ revision: revisionReference });
export type Promote = z.infer<typeof promoteBody>;

/** By PEFT module name. */
export const targetsSchema = z.record(
  z.string(),
  z.object({
    rank: z.number(),
    scale: z.number(),
    norm: z
      .number()
      .nullable()
      .default(null)
      .describe('‖ΔW‖_F; null for revisions that are older than this number, or too large for it.'),
  }),
);

export const revisionSchema = z
  .object({
    id: z.string(),
    nodeId: z.string(),
    path: z.string().describe('Path of the node.'),
    number: z.number(),
    digest: z.string().describe('Revision digest: effective config and tensors.'),
    trainedOn: z
      .object({
        id: z.string().nullable().describe('Null where the parent is out of sight of the key.'),
        number: z.number(),
      })
      .nullable()
      .describe("The parent's revision that it was trained on; null where the parent had none."),
    rank: z.number().describe('Largest rank over its modules.'),
    bytes: z.number(),
    targets: targetsSchema,
    message: z.string().nullable(),
    author: z.string().nullable(),
    metrics: z.record(z.string(), z.number()),
    tags: z.array(z.string()),
    hasCard: z.boolean().describe('Whether there is a card; the revision by itself shows it.'),
    source: sourceSchema
      .nullable()
      .describe('Where its files were fetched; null where they were uploaded or lay in a folder.'),
    warnings: z.array(z.string()),
    isHead: z.boolean().describe('It is what the node serves by default.'),
    recalled: z
      .object({ at: z.iso.datetime(), reason: z.string().nullable(), fallback: z.number().nullable() })
      .nullable()
      .describe(
        'Out of service; `fallback` is the number of the revision that stands in for it, null where none does.',
      ),
    version: z.number().describe('Counts its changes, which are of tags and recalls; send it as If-Match.'),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Revision' });
export type RevisionDto = z.infer<typeof revisionSchema>;

export const revisionWithCardSchema = revisionSchema
  .extend({ card: z.string().nullable().describe('Markdown.') })
  .meta({ id: 'RevisionWithCard' });
export type RevisionWithCardDto = z.infer<typeof revisionWithCardSchema>;

export const pushedRevisionSchema = revisionSchema
  .extend({
    unchanged: z.boolean().describe('The node already has this very revision: nothing was done.'),
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
  author: string | null;
  metrics: readonly { name: string; value: number }[];
  tags: string[];
  hasCard: boolean;
  source: unknown;
  warnings: string[];
  version: number;
  createdAt: Date;
  recalledAt: Date | null;
  recallReason: string | null;
  trainedOn: { id: string; number: number; nodeId: string } | null;
  fallback: { number: number } | null;
}

/** What a query must include for `toRevisionDto`. */
export const revisionRelations = {
  trainedOn: { select: { id: true, number: true, nodeId: true } },
  fallback: { select: { number: true } },
  metrics: { select: { name: true, value: true }, orderBy: { name: 'asc' } },
} as const;

/** `isShown`: whether the caller may see a node. */
export function toRevisionDto(
  row: RevisionRow,
  path: string,
  headId: string | null,
  isShown: (nodeId: string) => boolean,
): RevisionDto {
  return {
    id: row.id,
    nodeId: row.nodeId,
    path,
    number: row.number,
    digest: row.digest,
    trainedOn: row.trainedOn && {
      id: isShown(row.trainedOn.nodeId) ? row.trainedOn.id : null,
      number: row.trainedOn.number,
    },
    rank: row.rank,
    bytes: Number(row.bytes),
    targets: targetsSchema.parse(row.targets),
    message: row.message,
    author: row.author,
    metrics: Object.fromEntries(row.metrics.map(({ name, value }) => [name, value])),
    tags: row.tags,
    hasCard: row.hasCard,
    source: revisionSource(row.source),
    warnings: row.warnings,
    isHead: row.id === headId,
    recalled: row.recalledAt && {
      at: row.recalledAt.toISOString(),
      reason: row.recallReason,
      fallback: row.fallback?.number ?? null,
    },
    version: row.version,
    createdAt: row.createdAt.toISOString(),
  };
}
