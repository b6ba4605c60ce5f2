/** A worker thread of the tokenizer pool. Keeps the tokenizers that it has read. */
import { parentPort } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import { EspalierError } from '../errors/espalier-error.js';
import { CheckpointTokenizer } from './checkpoint-tokenizer.js';
import type { JobStarted, TokenizerJob, TokenizerResult, TokenizerSource } from './tokenizer-job.js';

const tokenizers = new LRUCache<string, CheckpointTokenizer>({ max: 8 });

export default async function work(job: TokenizerJob): Promise<TokenizerResult> {
  try {
    const tokenizer = await open(job.source);
    const started: JobStarted = { started: job.id };
    parentPort?.postMessage(started);
    switch (job.work.type) {
      case 'load':
        return { type: 'loaded', summary: tokenizer.summary() };
      case 'encode': {
        const { texts, addSpecialTokens } = job.work;
        return { type: 'encoded', tokens: texts.map((text) => tokenizer.encode(text, addSpecialTokens)) };
      }
      case 'chat':
        return { type: 'encoded', tokens: [tokenizer.encodeChat(job.work.messages, job.work.options)] };
    }
  } catch (error) {
    if (error instanceof EspalierError) return { type: 'failed', error: error.toShape() };
    throw error;
  }
}

async function open(source: TokenizerSource): Promise<CheckpointTokenizer> {
  const known = tokenizers.get(source.digest);
  if (known) return known;
  const opened = await CheckpointTokenizer.open(source.folder);
  tokenizers.set(source.digest, opened);
  return opened;
}
