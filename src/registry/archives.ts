/**
 * Archives are refused, by their names and by their first bytes: nothing is ever unpacked here, so none can reach out of
 * the place where it is put, or grow past a limit that its size kept to.
 */
import { ArchiveRefusedError } from '../errors/files.js';

const NAME = /\.(zip|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|7z|rar)$/i;

/** Kind, where its mark begins, and the mark. */
const MARKS: readonly (readonly [string, number, readonly number[]])[] = [
  ['zip', 0, [0x50, 0x4b, 0x03, 0x04]],
  ['zip', 0, [0x50, 0x4b, 0x05, 0x06]],
  ['gzip', 0, [0x1f, 0x8b, 0x08]],
  ['bzip2', 0, [0x42, 0x5a, 0x68]],
  ['xz', 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', 0, [0x28, 0xb5, 0x2f, 0xfd]],
  ['7z', 0, [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]],
  ['rar', 0, [0x52, 0x61, 0x72, 0x21, 0x1a, 0x07]],
  ['tar', 257, [0x75, 0x73, 0x74, 0x61, 0x72]],
];
/** All marks lie within. */
const HEAD_BYTES = 262;

/** Of a file or folder. */
export function refuseArchiveName(name: string): void {
  if (NAME.test(name)) throw new ArchiveRefusedError(name, null);
}

/** The same bytes. Throws before it gives out any of an archive. */
export async function* refuseArchive(name: string, stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  /** What came first, until it is enough to tell; then null. */
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (head === null) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < HEAD_BYTES) continue;
    refuseMarks(name, head);
    yield head;
    head = null;
  }
  if (head === null) return;
  refuseMarks(name, head);
  yield head;
}

function refuseMarks(name: string, head: Buffer): void {
  const mark = MARKS.find(([, at, bytes]) => bytes.every((byte, i) => head[at + i] === byte));
  if (mark) throw new ArchiveRefusedError(name, mark[0]);
}
