/**
 * What each token writes, as bytes: the compact form in which a tokenizer's decoder crosses from the worker that read
 * it to the thread that streams text. Two typed arrays hold a whole vocabulary, so looking a token up costs nothing.
 *
 * Works because the decoders of decoder-only models act on each token alone: ByteLevel maps characters to bytes;
 * SentencePiece's replaces `▁` by a space and `<0xE2>` by a byte, and strips one space at the start of a text.
 */
import { z } from 'zod';
import { UnsupportedTokenizerError } from '../errors/tokenization.js';
import type { AddedToken } from './added-tokens.js';

export interface TokenTableData {
  /** The bytes of all tokens, one after the other. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Token t writes bytes[starts[t] … starts[t + 1]). */
  starts: Uint32Array<ArrayBuffer>;
  /** 1 where the token is special: control, not text. */
  special: Uint8Array<ArrayBuffer>;
  /** A text's first space is the tokenizer's own, not the writer's. */
  stripsFirstSpace: boolean;
}

export class TokenTable {
  readonly #data: TokenTableData;

  constructor(data: TokenTableData) {
    this.#data = data;
  }

  get size(): number {
    return this.#data.special.length;
  }

  get stripsFirstSpace(): boolean {
    return this.#data.stripsFirstSpace;
  }

  /** A view; empty for ids past the vocabulary (rows that only pad the embedding). */
  bytes(token: number): Uint8Array {
    return this.#data.bytes.subarray(this.#data.starts[token] ?? 0, this.#data.starts[token + 1] ?? 0);
  }

  isSpecial(token: number): boolean {
    return this.#data.special[token] === 1;
  }
}

const step = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.literal('ByteFallback') }),
  z.object({ type: z.literal('Fuse') }),
  z.object({ type: z.literal('Replace'), pattern: z.object({ String: z.string() }), content: z.string() }),
  z.object({ type: z.literal('Strip'), content: z.string(), start: z.number(), stop: z.literal(0) }),
  z.object({
    type: z.literal('Metaspace'),
    replacement: z.string().default('▁'),
    prepend_scheme: z.string().default('always'),
  }),
]);
const decoder = z.union([
  z.object({ type: z.literal('Sequence'), decoders: z.array(step) }).transform((sequence) => sequence.decoders),
  step.transform((single) => [single]),
]);
type DecoderStep = z.infer<typeof step>;

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

export function buildTokenTable(
  folder: string,
  decoderJson: unknown,
  vocabulary: readonly (string | undefined)[],
  addedTokens: readonly AddedToken[],
): TokenTableData {
  const parsed = decoder.safeParse(decoderJson);
  if (!parsed.success) {
    const kind = decoderJson == null ? 'null' : JSON.stringify(decoderJson).slice(0, 300);
    throw new UnsupportedTokenizerError(
      `tokenizer.json has the decoder ${kind}. ByteLevel, Metaspace and SentencePiece's sequence are supported.`,
    );
  }
  const steps = parsed.data;
  const added = new Map(addedTokens.map((token) => [token.id, token]));
  const size = addedTokens.reduce((size, { id }) => Math.max(size, id + 1), vocabulary.length);
  const starts = new Uint32Array(size + 1);
  const special = new Uint8Array(size);
  const parts: Uint8Array[] = [];
  let end = 0;
  for (let id = 0; id < size; id++) {
    const addedToken = added.get(id);
    if (addedToken?.special) special[id] = 1;
    const part = addedToken ? Buffer.from(addedToken.content) : tokenBytes(vocabulary[id] ?? '', steps);
    parts.push(part);
    end += part.length;
    starts[id + 1] = end;
  }
  const bytes = new Uint8Array(end);
  for (const [id, part] of parts.entries()) bytes.set(part, starts[id]);
  return { bytes, starts, special, stripsFirstSpace: steps.some(stripsFirstSpace) };
}

function tokenBytes(token: string, steps: readonly DecoderStep[]): Uint8Array {
  let text = token;
  for (const step of steps) {
    const byte = step.type === 'ByteFallback' ? BYTE_TOKEN.exec(text)?.[1] : undefined;
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
    if (step.type === 'ByteLevel') return byteLevelBytes(text);
    if (step.type === 'Replace') text = text.replaceAll(step.pattern.String, step.content);
    if (step.type === 'Metaspace') text = text.replaceAll(step.replacement, ' ');
  }
  return Buffer.from(text);
}

function stripsFirstSpace(step: DecoderStep): boolean {
  return (
    (step.type === 'Strip' && step.content === ' ' && step.start === 1) ||
    (step.type === 'Metaspace' && step.prepend_scheme !== 'never')
  );
}

/** GPT-2's mapping of printable characters to bytes (its `bytes_to_unicode`, the other way round). */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const map = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) map.set(String.fromCharCode(printable(byte) ? byte : next++), byte);
  return map;
})();

function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    // A character outside the mapping stands for itself, as in a token that was added without being listed so.
    if (byte === undefined) bytes.push(...Buffer.from(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
