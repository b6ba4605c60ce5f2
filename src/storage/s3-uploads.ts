/**
 * Ends multipart uploads whose process died in them: their parts are no object, but take room and cost money. Only what
 * was begun more than a day ago, because another instance's may be under way.
 */
import { AbortMultipartUploadCommand, ListMultipartUploadsCommand, type S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from './blob-location.js';
import type { SweepOptions } from './temporary.js';

const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** As far as it may: a bucket can forbid it, and have a rule of its own for these. Returns how many. */
export async function abortOldUploads(
  client: S3Client,
  { bucket, prefix }: S3Location,
  { dryRun = false }: SweepOptions = {},
): Promise<number> {
  let aborted = 0;
  try {
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }));
    for (const { Key, UploadId, Initiated } of Uploads) {
      if (!Initiated || Date.now() - Initiated.getTime() < ABANDONED_MS) continue;
      if (!dryRun) await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
      aborted++;
    }
  } catch {
    // The next start tries again.
  }
  return aborted;
}
