/** A client of the SDK, set up for Amazon's S3 or for another server that speaks its protocol. */
import { S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from './blob-location.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Without a byte in either direction. */
const IDLE_TIMEOUT_MS = 15_000;
/** The first one and two more, with growing pauses. */
const ATTEMPTS = 3;

/** Credentials come from the SDK's own chain: environment, profile, container, instance. */
export function s3Client({ endpoint, region, forcePathStyle }: S3Location): S3Client {
  return new S3Client({
    ...(endpoint === null ? {} : { endpoint, ...OTHER_SERVERS }),
    ...(region === null ? {} : { region }),
    forcePathStyle,
    maxAttempts: ATTEMPTS,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: IDLE_TIMEOUT_MS },
  });
}

/**
 * Most other servers don't care for the region, and many refuse the trailing checksums that newer SDKs send by default.
 * Parts are covered by the signature all the same, and every download by the blob's own SHA-256.
 */
const OTHER_SERVERS = {
  region: 'us-east-1',
  requestChecksumCalculation: 'WHEN_REQUIRED',
  responseChecksumValidation: 'WHEN_REQUIRED',
} as const;
