/**
 * A bucket of its own on the S3 server that ESPALIER_TEST_S3_ENDPOINT names (.ci/s3.sh starts one); credentials are in
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as the service takes them.
 */
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  AbortMultipartUploadCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { randomUUID } from 'node:crypto';
import type { S3Location } from '../../../../src/storage/blob-location.js';

export const S3_ENDPOINT = process.env['ESPALIER_TEST_S3_ENDPOINT'];

export class TestBucket {
  readonly name = `espalier-test-${randomUUID()}`;
  readonly endpoint: string;
  readonly #client: S3Client;

  private constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.#client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
  }

  static async make(): Promise<TestBucket> {
    if (S3_ENDPOINT === undefined) throw new Error('ESPALIER_TEST_S3_ENDPOINT is not set');
    const bucket = new TestBucket(S3_ENDPOINT);
    await bucket.#client.send(new CreateBucketCommand({ Bucket: bucket.name }));
    return bucket;
  }

  location(cacheFolder: string, change: Partial<S3Location> = {}): S3Location {
    return {
      kind: 's3',
      bucket: this.name,
      prefix: 'some/where/',
      endpoint: this.endpoint,
      region: null,
      forcePathStyle: true,
      cacheFolder,
      cacheBytes: 64 * 1024 * 1024,
      ...change,
    };
  }

  async keys(): Promise<string[]> {
    const page = await this.#client.send(new ListObjectsV2Command({ Bucket: this.name }));
    return (page.Contents ?? []).map(({ Key = '' }) => Key);
  }

  /** Ids of uploads in parts that aren't complete. */
  async uploads(): Promise<{ Key?: string; UploadId?: string }[]> {
    const { Uploads = [] } = await this.#client.send(new ListMultipartUploadsCommand({ Bucket: this.name }));
    return Uploads;
  }

  put(key: string, body: Uint8Array | string): Promise<unknown> {
    return this.#client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: body }));
  }

  async get(key: string): Promise<Uint8Array> {
    const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.name, Key: key }));
    if (!Body) throw new Error(`${key} has no body`);
    return Body.transformToByteArray();
  }

  /** Of an object that went up in parts it ends in "-" and their number. */
  async etag(key: string): Promise<string> {
    return (await this.#client.send(new HeadObjectCommand({ Bucket: this.name, Key: key }))).ETag ?? '';
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
  }

  async remove(): Promise<void> {
    for (const { Key, UploadId } of await this.uploads()) {
      await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.name, Key, UploadId }));
    }
    for (const key of await this.keys()) await this.delete(key);
    await this.#client.send(new DeleteBucketCommand({ Bucket: this.name }));
    this.#client.destroy();
  }
}
