/** Bytes counted as they pass, so that somebody can be told how far an upload or a download is. */

/** `bytes`: how many passed so far. */
export type OnBytes = (bytes: number) => void;

/** A form as it goes over the wire: its files are read from disk as the service takes them. */
export class EncodedForm {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly contentType: string;

  constructor(form: FormData) {
    const { body, headers } = new Response(form);
    const contentType = headers.get('content-type');
    if (!body || contentType === null) throw new TypeError('a form has a body and a type');
    this.bytes = body;
    this.contentType = contentType;
  }
}

export async function* counted(chunks: AsyncIterable<Uint8Array>, onBytes?: OnBytes): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.byteLength;
    onBytes?.(bytes);
  }
}
