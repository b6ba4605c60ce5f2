/** Sends a file: with its ETag, to those who have it already nothing, to HEAD its size, and parts where it has parts. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { RangeNotSatisfiableError } from '../errors/requests.js';
import { parseByteRange, type ByteRange } from './byte-range.js';

export interface OfferedFile {
  name: string;
  type: string;
  /** Strong: other bytes have another one. Without quotes. */
  etag: string;
  headers?: Readonly<Record<string, string>>;
  open: () => Promise<OpenFile>;
}

export interface OpenFile {
  bytes: number;
  /** A part, or the whole where it has no parts. */
  stream: (range: ByteRange | null) => Readable;
  hasParts: boolean;
  /** Called where `stream` isn't. */
  discard: () => void;
}

export async function sendFile(request: FastifyRequest, reply: FastifyReply, file: OfferedFile): Promise<void> {
  const etag = `"${file.etag}"`;
  const always = { ...file.headers, etag, 'cache-control': 'private, no-cache' };
  if (matches(request.headers['if-none-match'], etag)) return reply.headers(always).status(304).send();
  const { bytes, stream, hasParts, discard } = await file.open();
  const range = hasParts && request.method !== 'HEAD' ? rangeOf(request, etag, bytes) : null;
  if (range === 'unsatisfiable') {
    discard();
    void reply.header('content-range', `bytes */${bytes}`);
    throw new RangeNotSatisfiableError(bytes);
  }
  void reply.headers({
    ...always,
    'content-type': file.type,
    'content-disposition': `attachment; filename="${file.name}"`,
    'accept-ranges': hasParts ? 'bytes' : 'none',
    'content-length': range === null ? bytes : range.last - range.first + 1,
  });
  if (request.method === 'HEAD') {
    discard();
    // Fastify would take nothing at all for a file of no bytes.
    return reply.send(Readable.from([]));
  }
  if (range !== null) void reply.status(206).header('content-range', `bytes ${range.first}-${range.last}/${bytes}`);
  return reply.send(stream(range));
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** A part is given of the file that the caller has begun with, or else the whole of the new one. */
function rangeOf({ headers }: FastifyRequest, etag: string, bytes: number): ByteRange | 'unsatisfiable' | null {
  const { range, 'if-range': ifRange } = headers;
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return null;
  return parseByteRange(range, bytes);
}
