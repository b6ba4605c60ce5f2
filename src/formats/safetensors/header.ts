/**
 * The header of a safetensors file: 8 bytes of length (u64, little-endian), that much JSON, then the tensors' bytes.
 * Spec: https://github.com/huggingface/safetensors#format. Checked as strictly as its own library does: every byte after
 * the header belongs to exactly one tensor.
 */
import { InvalidFileError } from '../../errors/files.js';
import { parseJson, shorten } from '../json.js';
import { DTYPE_BITS } from './dtype.js';

/** Bytes of the length in front. */
export const LENGTH_BYTES = 8;
/** The cap of the format's own library. */
export const MAX_HEADER_BYTES = 100_000_000;
const METADATA = '__metadata__';

export interface TensorEntry {
  name: string;
  /** A name of the format: F32, F16, BF16, I64, … */
  dtype: string;
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  begin: number;
  /** One past the last byte. */
  end: number;
}

export interface SafetensorsHeader {
  metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  tensors: ReadonlyMap<string, TensorEntry>;
}

/** Length of the JSON, from the first eight bytes. */
export function headerLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.length < LENGTH_BYTES) throw new InvalidFileError(file, 'is too short for a safetensors file');
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new InvalidFileError(file, `claims a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw new InvalidFileError(
      file,
      `claims a header of ${length} bytes, but is only ${fileBytes} long: it is truncated`,
    );
  }
  return Number(length);
}

/** `json`: the header's bytes; `fileBytes`: size of the whole file. */
export function parseHeader(json: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  const root = parseJson(decodeUtf8(json, file), `The header of ${file}`);
  if (!isObject(root)) throw new InvalidFileError(file, 'has a header that is not a JSON object');
  let metadata: Record<string, string> = {};
  const entries: TensorEntry[] = [];
  const start = LENGTH_BYTES + json.length;
  for (const [name, value] of Object.entries(root)) {
    if (name === METADATA) metadata = parseMetadata(value, file);
    else entries.push(parseEntry(name, value, start, file));
  }
  entries.sort((one, other) => one.begin - other.begin || one.end - other.end);
  let expected = start;
  for (const { name, begin, end } of entries) {
    if (begin !== expected) {
      const what =
        begin < expected ? 'overlaps the tensor before it' : `leaves ${begin - expected} bytes unused before it`;
      throw new InvalidFileError(file, `is corrupt: tensor ${quote(name)} ${what}`);
    }
    expected = end;
  }
  if (expected !== fileBytes) {
    const what = expected > fileBytes ? 'it is truncated' : 'bytes that belong to no tensor follow';
    throw new InvalidFileError(file, `is ${fileBytes} bytes long, but its tensors end at ${expected}: ${what}`);
  }
  return { metadata, tensors: new Map(entries.map((entry) => [entry.name, entry])) };
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new InvalidFileError(file, 'has a header that is not UTF-8', { cause: error });
  }
}

function parseEntry(name: string, value: unknown, start: number, file: string): TensorEntry {
  const fail = (reason: string) => new InvalidFileError(file, `is corrupt: tensor ${quote(name)} ${reason}`);
  if (!isObject(value)) throw fail('is not described by an object');
  const { dtype, shape, data_offsets: offsets, ...rest } = value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw fail(`has the unknown field ${quote(unknown)}`);
  const bits = typeof dtype === 'string' && Object.hasOwn(DTYPE_BITS, dtype) ? DTYPE_BITS[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined) throw fail(`has the unknown dtype ${quote(String(dtype))}`);
  if (!isCounts(shape)) throw fail('has a shape that is not a list of whole numbers');
  if (!isCounts(offsets) || offsets.length !== 2) throw fail('has data_offsets that are not two whole numbers');
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw fail(`ends at ${end}, before it begins at ${begin}`);
  // Number of bits, with a product that can't lose digits unnoticed.
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!Number.isSafeInteger(elements * bits)) throw fail(`is too large: [${shape.join(', ')}]`);
  if (elements * bits !== (end - begin) * 8) {
    throw fail(`is [${shape.join(', ')}] ${dtype}, ${(elements * bits) / 8} bytes, but has ${end - begin}`);
  }
  return { name, dtype, shape, begin: start + begin, end: start + end };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isObject(value)) throw new InvalidFileError(file, `has ${METADATA} that is not an object`);
  const entries = Object.entries(value);
  const wrong = entries.find(([, text]) => typeof text !== 'string');
  if (wrong) throw new InvalidFileError(file, `has ${METADATA} whose ${quote(wrong[0])} is not a string`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function quote(text: string): string {
  return JSON.stringify(shorten(text));
}
