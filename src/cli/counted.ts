/** Bytes counted as they pass, so that somebody can be told how far an upload or a download is. */
import { Response, type FormData } from 'undici';

/** `bytes`: how many passed so far. */
export type OnBytes = (bytes: number) => void;

/** A form as it goes over the wire: its files are read from disk as the service takes them. */
export function encoded(form: FormData): { bytes: AsyncIterable<Uint8Array>; contentType: string } {
  const { body, headers } = new Response(form);
  const contentType = headers.get('content-type');
  if (!body || contentType === null) throw new TypeError('a form has a body and a type');
  return { bytes: body, contentType };
}

export async function* counted(chunks: AsyncIterable<Uint8Array>, onBytes?: OnBytes): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.byteLength;
    onBytes?.(bytes);
  }
}
