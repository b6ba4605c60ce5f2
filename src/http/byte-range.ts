/** The `Range` header (RFC 9110, 14.2) as far as one part goes; several at once are answered with the whole. */

export interface ByteRange {
  first: number;
  /** Included. */
  last: number;
}

/** Null where the header is to be ignored. */
export function parseByteRange(header: string, bytes: number): ByteRange | 'unsatisfiable' | null {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header.trim()) ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return null;
  // The last so many bytes.
  const first = from === '' ? Math.max(0, bytes - Number(to)) : Number(from);
  const last = from === '' || to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1);
  if (from !== '' && to !== '' && Number(to) < first) return null;
  return first > last ? 'unsatisfiable' : { first, last };
}
