import { ConfigError, readConfig } from '../../../src/config.js';

const blobsOf = (env: Record<string, string>): unknown => readConfig({ ESPALIER_DATA: '/data', ...env }).blobs;

describe('where the blobs are', () => {
  test('a folder below the data folder, or one that is named', () => {
    expect(blobsOf({})).toEqual({ kind: 'folder', folder: '/data/blobs' });
    expect(blobsOf({ ESPALIER_BLOBS: '/shared/blobs' })).toEqual({ kind: 'folder', folder: '/shared/blobs' });
    expect(readConfig({ ESPALIER_DATA: '/data' }).modelsFolder).toBe('/data/models');
    expect(readConfig({ ESPALIER_DATA: '/data', ESPALIER_MODELS: '/shared/models' }).modelsFolder).toBe(
      '/shared/models',
    );
  });

  test('a bucket of Amazon, or of another server', () => {
    expect(blobsOf({ ESPALIER_BLOBS: 's3://adapters', ESPALIER_S3_REGION: 'eu-central-1' })).toEqual({
      kind: 's3',
      bucket: 'adapters',
      prefix: '',
      endpoint: null,
      region: 'eu-central-1',
      forcePathStyle: false,
      cacheFolder: '/data/blob-cache',
      cacheBytes: 10 * 1024 ** 3,
    });
    expect(
      blobsOf({
        ESPALIER_BLOBS: 's3://adapters//team/espalier/',
        ESPALIER_S3_ENDPOINT: 'https://s3.example.org',
        ESPALIER_BLOB_CACHE_MB: '1',
      }),
    ).toMatchObject({
      prefix: 'team/espalier/',
      endpoint: 'https://s3.example.org',
      region: null,
      forcePathStyle: true,
      cacheBytes: 1024 ** 2,
    });
  });

  test.each([
    [{ ESPALIER_BLOBS: 's3://' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_BLOBS: 's3://Not_a_bucket' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_BLOBS: 's3:/adapters' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_BLOBS: 'gs://adapters' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_BLOBS: 's3://adapters/../x' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_BLOBS: 's3://adapters/with space' }, 'ESPALIER_BLOBS'],
    [{ ESPALIER_S3_ENDPOINT: 'localhost:9000' }, 'ESPALIER_S3_ENDPOINT'],
    [{ ESPALIER_BLOBS: 's3://adapters', ESPALIER_S3_ENDPOINT: 'http://key:secret@host' }, 'ESPALIER_S3_ENDPOINT'],
    [{ ESPALIER_BLOB_CACHE_MB: '0' }, 'ESPALIER_BLOB_CACHE_MB'],
  ])('%j is refused, by its name', (env: Record<string, string>, name) => {
    expect(() => blobsOf(env)).toThrow(ConfigError);
    expect(() => blobsOf(env)).toThrow(name);
    expect(() => blobsOf(env)).not.toThrow('secret');
  });
});
