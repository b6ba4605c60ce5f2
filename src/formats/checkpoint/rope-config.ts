/**
 * Rotary embedding of a config.json, in its recent form (`rope_parameters`) and the older one (`rope_theta` and
 * `rope_scaling`), read as transformers' `modeling_rope_utils.py` reads them.
 */
import { z } from 'zod';
import { UnsupportedConfigError } from '../../errors/models.js';
import type { ModelConfig, RopeScaling } from './model-config.js';

const DEFAULT_THETA = 10_000;
const IMPLEMENTED = ['default', 'linear', 'llama3'];

const positive = z.number().positive();

const parameters = z.strictObject({
  rope_type: z.string().nullish(),
  /** Older name of rope_type. */
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  factor: positive.nullish(),
  low_freq_factor: positive.nullish(),
  high_freq_factor: positive.nullish(),
  original_max_position_embeddings: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
});
type Parameters = z.infer<typeof parameters>;

const topLevel = z.object({
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
  original_max_position_embeddings: positive.nullish(),
});

export function parseRope(config: Readonly<Record<string, unknown>>, maxPositions: number): ModelConfig['rope'] {
  // transformers lets the older field win where a file has both.
  const field = isEmpty(config.rope_scaling) ? 'rope_parameters' : 'rope_scaling';
  const given = isEmpty(config[field]) ? {} : config[field];
  // The type comes before the rest: the fields of one that isn't implemented would be refused as unknown.
  const type = ropeType(given);
  if (!IMPLEMENTED.includes(type)) {
    const known = IMPLEMENTED.join(', ');
    throw new UnsupportedConfigError(field, `has the rope type "${type}"; implemented are: ${known}`);
  }
  const rope = check(parameters, given, field);
  const outer = check(topLevel, config);
  const partial = rope.partial_rotary_factor ?? outer.partial_rotary_factor ?? 1;
  if (partial !== 1) {
    throw new UnsupportedConfigError('partial_rotary_factor', `is ${partial}; only whole heads are rotated`);
  }
  const original = outer.original_max_position_embeddings ?? rope.original_max_position_embeddings ?? maxPositions;
  return {
    theta: rope.rope_theta ?? outer.rope_theta ?? DEFAULT_THETA,
    scaling: scaling(type, rope, original, field),
  };
}

function scaling(type: string, rope: Parameters, originalMaxPositions: number, field: string): RopeScaling {
  const need = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor'): number => {
    const value = rope[name];
    if (value === null || value === undefined) {
      throw new UnsupportedConfigError(`${field}.${name}`, `is missing, and rope type "${type}" needs it`);
    }
    return value;
  };
  switch (type) {
    case 'linear':
      return { type, factor: need('factor') };
    case 'llama3': {
      const lowFreqFactor = need('low_freq_factor');
      const highFreqFactor = need('high_freq_factor');
      if (highFreqFactor <= lowFreqFactor) {
        throw new UnsupportedConfigError(`${field}.high_freq_factor`, 'is not larger than low_freq_factor');
      }
      return { type, factor: need('factor'), lowFreqFactor, highFreqFactor, originalMaxPositions };
    }
    default:
      return { type: 'default' };
  }
}

function ropeType(given: unknown): string {
  const { rope_type, type } = check(z.object({ rope_type: z.unknown(), type: z.unknown() }).partial(), given);
  const found = rope_type ?? type ?? 'default';
  return typeof found === 'string' ? found.slice(0, 100) : JSON.stringify(found).slice(0, 100);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

function check<T>(schema: z.ZodType<T>, value: unknown, field?: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = [...(field === undefined ? [] : [field]), ...(issue?.path ?? [])].join('.');
  throw new UnsupportedConfigError(path || 'rope_parameters', `is wrong: ${issue?.message ?? ''}`);
}
