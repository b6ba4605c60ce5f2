/**
 * The metadata of a Hugging Face model card: the YAML that stands between two lines of `---` at the start of a README.md
 * (https://huggingface.co/docs/hub/model-cards). The hub shows the model's family from `base_model` and
 * `base_model_relation`; it knows no adapters that stand on adapters, so the way down the tree is under a key of ours,
 * which it leaves alone.
 */
import { stringify } from 'yaml';

export interface ModelCard {
  /** Hub id of the base where it is known, else its name here. */
  base: string;
  path: string;
  revision: number;
  /** Revision digest. */
  digest: string;
  /** What it stands on, if that is shown: path of the parent and number of its revision. */
  on: { path: string; revision: number } | null;
  tags: readonly string[];
}

/** One document of a YAML stream. */
export function toModelCard({ base, path, revision, digest, on, tags }: ModelCard): string {
  const metadata = {
    base_model: base,
    base_model_relation: 'adapter',
    library_name: 'peft',
    pipeline_tag: 'text-generation',
    tags: [...new Set(['lora', 'espalier', ...tags])],
    espalier: { path, revision, digest, ...(on && { trained_on: on }) },
  };
  // Quoted, a tag like `no` or `1.0` is text to every reader of YAML.
  return `---\n${stringify(metadata, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 })}`;
}

/** Of the names that adapters may give as their base, the one that can be an id on the hub. */
export function hubIdOf(origins: readonly string[]): string | undefined {
  return origins.find((origin) => /^[\w.-]+\/[\w.-]+$/.test(origin));
}
