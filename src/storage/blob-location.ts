/** Where the blobs are, as the configuration says it. */
export type BlobLocation = { kind: 'folder'; folder: string } | S3Location;

export interface S3Location {
  kind: 's3';
  bucket: string;
  /** Before every key: empty, or ending in "/". */
  prefix: string;
  /** A server other than Amazon's; null is Amazon's. */
  endpoint: string | null;
  /** Null leaves it to the SDK: AWS_REGION, or a profile. */
  region: string | null;
  /** The bucket in the path of an address rather than in its host name. */
  forcePathStyle: boolean;
  /** Absolute folder of this instance alone, for copies of blobs in use. */
  cacheFolder: string;
  cacheBytes: number;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** What needs no escaping anywhere. */
const PREFIX = /^[A-Za-z0-9!_.*'()/-]*$/;

const S3 = 's3://';

/** Rather than a folder; one letter is a drive of Windows. */
export function isAddress(text: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(text);
}

/** `s3://bucket/prefix`. Returns what is wrong with it as a text. */
export function parseS3Address(address: string): { bucket: string; prefix: string } | string {
  if (!address.startsWith(S3)) return `"${address}" is neither a folder nor s3://bucket/prefix`;
  const [bucket = '', ...names] = address.slice(S3.length).split('/');
  if (!BUCKET.test(bucket)) return `"${bucket}" is no name of a bucket; write s3://bucket/prefix`;
  const folders = names.filter((name) => name !== '');
  if (!PREFIX.test(folders.join('/')) || folders.some((name) => name === '.' || name === '..')) {
    return `the prefix may hold letters, digits and !_.*'()/- alone`;
  }
  return { bucket, prefix: folders.map((name) => `${name}/`).join('') };
}
