/** The texts of a streamed completion, as they come; the service's error if the stream ends in one. */
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { z } from 'zod';
import { ApiError } from './api-error.js';

const chunkSchema = z.object({ choices: z.array(z.object({ text: z.string() })) });

export async function* completionTexts(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const events = ReadableStream.from(body)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { data } of events) {
    if (data === '[DONE]') return;
    const json: unknown = JSON.parse(data);
    const error = ApiError.from(json, 500);
    if (error) throw error;
    for (const { text } of chunkSchema.parse(json).choices) yield text;
  }
  throw new ApiError('The service ended the stream before its end.', 'stream_cut', 500);
}
