/**
 * What a checkpoint folder says about text: tokenizer.json, tokenizer_config.json and the chat template, which newer
 * checkpoints keep in `chat_template.jinja` and older ones inside the config (as a string, or as a list of named ones).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UnsupportedTokenizerError } from '../errors/tokenization.js';

/** Tables are as long as the largest id, whatever lies below it. Vocabularies have up to some 300,000 tokens. */
export const MAX_TOKEN_ID = 2_000_000;

const tokenId = z.number().int().min(0).max(MAX_TOKEN_ID);

const addedToken = z.object({
  id: tokenId,
  content: z.string().min(1),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});
export type AddedTokenJson = z.infer<typeof addedToken>;

/** The tokenizers library reads the parts that stay `unknown` here; it wants every key present. */
const tokenizerJson = z.looseObject({
  added_tokens: z.array(addedToken).default([]),
  normalizer: z.unknown().default(null),
  pre_tokenizer: z.unknown().default(null),
  post_processor: z.unknown().default(null),
  decoder: z.unknown().default(null),
  model: z.looseObject({ unk_token: z.string().nullish() }),
});

const tokenName = z
  .union([z.string(), z.object({ content: z.string() }).transform((token) => token.content)])
  .nullish()
  .transform((name) => name ?? null);

const tokenizerConfig = z.looseObject({
  bos_token: tokenName,
  eos_token: tokenName,
  unk_token: tokenName,
  pad_token: tokenName,
  added_tokens_decoder: z
    .record(
      z.string().refine((id) => tokenId.safeParse(Number(id)).success, 'A token id is expected.'),
      addedToken.omit({ id: true }),
    )
    .default({}),
  chat_template: z.union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))]).nullish(),
});

export interface TokenizerFiles {
  folder: string;
  tokenizer: z.infer<typeof tokenizerJson>;
  config: z.infer<typeof tokenizerConfig>;
  /** Source of the chat template, or null. */
  chatTemplate: string | null;
}

export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizerText = await readOptional(join(folder, 'tokenizer.json'));
  if (tokenizerText === null) {
    throw new UnsupportedTokenizerError(
      'it has no tokenizer.json. Save it with a fast tokenizer (`AutoTokenizer.from_pretrained(…).save_pretrained(…)`).',
    );
  }
  const tokenizer = parse(tokenizerJson, tokenizerText, folder, 'tokenizer.json');
  const config = parse(
    tokenizerConfig,
    (await readOptional(join(folder, 'tokenizer_config.json'))) ?? '{}',
    folder,
    'tokenizer_config.json',
  );

  // As transformers does: tokens that only the config lists are added.
  const listed = new Set(tokenizer.added_tokens.map((token) => token.id));
  for (const [id, token] of Object.entries(config.added_tokens_decoder)) {
    if (!listed.has(Number(id))) tokenizer.added_tokens.push({ ...token, id: Number(id) });
  }
  return { folder, tokenizer, config, chatTemplate: await findChatTemplate(folder, config.chat_template) };
}

async function findChatTemplate(
  folder: string,
  inConfig: TokenizerFiles['config']['chat_template'],
): Promise<string | null> {
  const ownFile = await readOptional(join(folder, 'chat_template.jinja'));
  if (ownFile !== null) return ownFile;
  const jsonFile = await readOptional(join(folder, 'chat_template.json'));
  if (jsonFile !== null) {
    return parse(z.looseObject({ chat_template: z.string() }), jsonFile, folder, 'chat_template.json').chat_template;
  }
  if (inConfig == null || typeof inConfig === 'string') return inConfig ?? null;
  return inConfig.find((entry) => entry.name === 'default')?.template ?? null;
}

function parse<T>(schema: z.ZodType<T>, text: string, folder: string, file: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UnsupportedTokenizerError(`${file} is not JSON (${String(error)}).`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new UnsupportedTokenizerError(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

async function readOptional(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
