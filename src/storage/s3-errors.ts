/** What the SDK throws, as errors of ours: an outage, a refusal that somebody has to mend, or a missing object. */
import { S3ServiceException } from '@aws-sdk/client-s3';
import { isNativeError } from 'node:util/types';
import { EspalierError } from '../errors/espalier-error.js';
import { StorageRefusedError, StorageUnavailableError } from '../errors/storage.js';
import type { S3Location } from './blob-location.js';

/** The particulars of SDK errors hold what was signed and with which key; these don't. */
class S3Error extends Error {
  constructor(error: Error) {
    const { requestId, httpStatusCode } = error instanceof S3ServiceException ? error.$metadata : {};
    super(
      `${error.name}: ${error.message}${requestId === undefined ? '' : ` (request ${requestId}, ${httpStatusCode ?? 0})`}`,
    );
    this.name = 'S3Error';
  }
}

export function isNotFound(error: unknown): boolean {
  // A bucket that is gone is no missing object.
  return error instanceof S3ServiceException && ['NotFound', 'NoSuchKey'].includes(error.name);
}

export function explainS3Error(error: unknown, location: S3Location): unknown {
  if (!isNativeError(error) || error instanceof EspalierError) return error;
  // Of a local file: not the store's.
  if (!(error instanceof S3ServiceException) && 'syscall' in error && !NETWORK.has(codeOf(error))) return error;
  const address = addressOf(location);
  const cause = new S3Error(error);
  const advice = adviceOn(error, location);
  return advice === null
    ? new StorageUnavailableError(address, cause)
    : new StorageRefusedError(address, error.name, advice, cause);
}

export function addressOf({ bucket, prefix, endpoint }: S3Location): string {
  return `s3://${bucket}/${prefix}${endpoint === null ? '' : ` on ${endpoint}`}`;
}

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** What has to be mended; null where waiting may do. */
function adviceOn(error: Error, { bucket, region, endpoint }: S3Location): string | null {
  switch (error.name) {
    case 'NoSuchBucket':
      return `Make the bucket "${bucket}", or name another one in ESPALIER_BLOBS.`;
    case 'AccessDenied':
    case 'Forbidden':
    case '403':
      return `Allow these credentials s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on what is in it.`;
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'CredentialsProviderError':
      return 'Give the service valid credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role.';
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `Set ESPALIER_S3_REGION to the bucket's region; it is ${region ?? 'not set'}.`;
    case 'RequestTimeTooSkewed':
      return "Set this machine's clock.";
    case 'QuotaExceeded':
    case 'EntityTooLarge':
      return 'Raise what the bucket may hold.';
  }
  if (error.message === 'Region is missing') return 'Set ESPALIER_S3_REGION or AWS_REGION.';
  const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
  const isPatient = status === 408 || status === 409 || status === 429;
  if (status < 400 || status >= 500 || isPatient) return null;
  return endpoint === null
    ? 'Look its code up in the documentation of S3.'
    : `Check ESPALIER_S3_ENDPOINT (${endpoint}) and ESPALIER_S3_FORCE_PATH_STYLE.`;
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : '';
}
