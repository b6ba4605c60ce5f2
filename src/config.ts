/** The environment, read once. Boot fails here, naming the variable, if a value makes no sense. */
import { z } from 'zod';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { DEVICE_CHOICES, type DeviceChoice, GPU_DTYPE_CHOICES, type GpuDtypeChoice } from './engine/device-choice.js';
import { isAddress, parseS3Address, type BlobLocation } from './storage/blob-location.js';

/** Injection token of the `Config`. */
export const CONFIG = Symbol('CONFIG');

const limit = (fallback: number) => z.coerce.number().int().positive().default(fallback);
const megabytes = (fallback: number) => z.coerce.number().int().positive().default(fallback);

const environment = z.object({
  ESPALIER_HOST: z.string().min(1).default('127.0.0.1'),
  ESPALIER_PORT: z.coerce.number().int().min(0).max(65535).default(8100),
  ESPALIER_DATA: z.string().min(1).default('./data'),
  ESPALIER_BLOBS: z.string().optional(),
  ESPALIER_BLOB_CACHE_MB: megabytes(10_240),
  ESPALIER_S3_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  ESPALIER_S3_REGION: z.string().optional(),
  ESPALIER_S3_FORCE_PATH_STYLE: z.enum(['0', '1']).optional(),
  ESPALIER_MODELS: z.string().optional(),
  ESPALIER_PACKED: z.string().optional(),
  ESPALIER_IMPORT_ROOTS: z.string().default(''),
  ESPALIER_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  ESPALIER_MERGED_MB: z.coerce.number().int().min(0).default(2048),
  ESPALIER_MERGE_POLICY: z.enum(['off', 'traffic']).default('off'),
  ESPALIER_DEVICE: z.enum(DEVICE_CHOICES).default('cpu'),
  ESPALIER_GPU_DTYPE: z.enum(GPU_DTYPE_CHOICES).default('auto'),
  ESPALIER_GPU_MB: z.coerce.number().int().positive().optional(),
  ESPALIER_GPU_TENSOR_MB: megabytes(2048),
  ESPALIER_THREADS: z.coerce.number().int().min(0).max(256).default(0),
  ESPALIER_MAX_ROWS: z.coerce.number().int().min(1).max(256).default(16),
  ESPALIER_MAX_WAITING: z.coerce.number().int().min(0).default(256),
  ESPALIER_PREFILL_CHUNK_TOKENS: z.coerce.number().int().min(16).max(8192).default(128),
  ESPALIER_PREFILL_STRETCH: z.union([z.literal('off'), z.coerce.number().min(1).max(100)]).default(1.8),
  ESPALIER_KV_MB: megabytes(1024),
  ESPALIER_PREFIX_CACHE_MB: z.coerce.number().int().min(0).optional(),
  ESPALIER_BANK_RANKS: z.coerce.number().int().min(1).max(65536).default(512),
  ESPALIER_HOST_CACHE_MB: megabytes(1024),
  ESPALIER_TOKENIZER_WORKERS: z.coerce.number().int().min(1).max(64).default(1),
  ESPALIER_TOKENIZE_TIMEOUT_MS: z.coerce.number().int().min(100).default(5000),
  ESPALIER_MAX_PROMPT_BYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .default(1024 * 1024),
  ESPALIER_MAX_UPLOAD_MB: megabytes(2048),
  ESPALIER_DEMO: z.enum(['0', '1']).default('1'),
  ESPALIER_ANNOUNCE: z.enum(['text', 'json']).default('text'),
  ESPALIER_UNLOAD_TIMEOUT_MS: z.coerce.number().int().min(0).max(3_600_000).default(30_000),
  ESPALIER_SHUTDOWN_GRACE_MS: z.coerce.number().int().min(0).default(5000),
  ESPALIER_GRAPHQL_INTROSPECTION: z.enum(['0', '1']).optional(),
  ESPALIER_GRAPHQL_MAX_DEPTH: limit(12),
  ESPALIER_GRAPHQL_MAX_COST: limit(10_000),
  ESPALIER_GRAPHQL_MAX_ALIASES: limit(30),
  ESPALIER_GRAPHQL_MAX_DIRECTIVES: limit(30),
  ESPALIER_GRAPHQL_MAX_TOKENS: limit(2_000),
  ESPALIER_KEY_GRACE_SECONDS: z.coerce.number().int().min(0).max(31_536_000).default(3600),
  ESPALIER_STALL_MS: z.coerce.number().int().min(100).default(30_000),
  ESPALIER_CORS_ORIGINS: z.string().default(''),
  ESPALIER_HUB_URL: z.union([z.literal('off'), z.url({ protocol: /^https?$/ })]).default('https://huggingface.co'),
  ESPALIER_HUB_CDNS: z.string().optional(),
  ESPALIER_METRICS_PORT: z.coerce.number().int().min(0).max(65535).optional(),
  DATABASE_URL: z.string().optional(),
  NODE_ENV: z.string().default('development'),
});

export interface Config {
  host: string;
  port: number;
  /** Absolute. Holds the embedded database, first keys and the lock, and what isn't placed elsewhere: blobs, models. */
  dataFolder: string;
  /** Of the files of adapters. Several instances may share it, on one database. */
  blobs: BlobLocation;
  /** Absolute. Holds imported checkpoints; may be shared as well. */
  modelsFolder: string;
  /** Absolute folders that `import` and `push` may read on the server, besides the service's own examples. */
  importRoots: string[];
  logLevel: string;
  /** PostgreSQL; null is the embedded database. */
  databaseUrl: string | null;
  production: boolean;
  engine: {
    device: DeviceChoice;
    gpuDtype: GpuDtypeChoice;
    /** Null: no limit of ours. */
    gpuBudgetBytes: number | null;
    gpuTensorBytes: number;
    /** Absolute. Of weights as the runtime packs them; null: nowhere. */
    packedFolder: string | null;
    threads: number;
    maxRows: number;
    maxWaiting: number;
    prefillChunkTokens: number;
    /** Null: off. */
    prefillStretch: number | null;
    kvBudgetBytes: number;
    prefixBudgetBytes: number;
    bankRankBudget: number;
    hostBudgetBytes: number;
    mergedBudgetBytes: number;
  };
  /** Which paths are merged beside those that are pinned: none, or those with most of the traffic. */
  mergePolicy: 'off' | 'traffic';
  tokenizer: { workers: number; timeoutMs: number; maxPromptBytes: number };
  maxUploadBytes: number;
  /** The Hugging Face hub, or a mirror of it; null: adapters don't come from there. */
  hub: HubConfig | null;
  /** How long headers may take to come, and how long a body may all but stand still. */
  stallMs: number;
  /** Origins whose pages may read answers in browsers; `*` stands for all of them. */
  corsOrigins: string[];
  /** Where metrics are served without a key, to this machine alone; null: nowhere. */
  metricsPort: number | null;
  graphql: {
    /** Whether the schema may be asked for. */
    introspection: boolean;
    /** How large an operation may be. */
    limits: { depth: number; cost: number; aliases: number; directives: number; tokens: number };
  };
  /** Whether an empty registry gets the demo tree at start. */
  demo: boolean;
  /** How stdout tells that the service is up: to people, or to programs. */
  announce: 'text' | 'json';
  /** How long API keys are taken on trust while the database is away. */
  keyGraceMs: number;
  /** How long `unload_lora_adapter` waits for requests that use the node. */
  unloadTimeoutMs: number;
  /** How long running requests may take to finish once the service is told to stop. */
  shutdownGraceMs: number;
}

export interface HubConfig {
  /** Without a slash at its end. */
  url: string;
  /** Origins that the hub may send us to for its files; `https://*.` stands for all hosts of a domain. */
  cdns: string[];
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const MB = 1024 * 1024;

export function readConfig(env: Record<string, string | undefined>): Config {
  // An empty variable means the same as an absent one.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`The environment can't be used:\n  ${problems.join('\n  ')}`);
  }
  const e = parsed.data;
  if (e.NODE_ENV === 'production' && e.DATABASE_URL === undefined) {
    throw new ConfigError(
      'DATABASE_URL is not set. With NODE_ENV=production the service wants a PostgreSQL server: the embedded database ' +
        'never forces its writes to disk, so a power cut can lose data. Set DATABASE_URL=postgresql://user:password@host/database.',
    );
  }
  return {
    host: e.ESPALIER_HOST,
    port: e.ESPALIER_PORT,
    dataFolder: absolute(e.ESPALIER_DATA),
    blobs: blobLocation(e),
    modelsFolder: absolute(e.ESPALIER_MODELS ?? join(e.ESPALIER_DATA, 'models')),
    importRoots: e.ESPALIER_IMPORT_ROOTS.split(delimiter)
      .filter((folder) => folder !== '')
      .map(absolute),
    logLevel: e.ESPALIER_LOG_LEVEL,
    databaseUrl: e.DATABASE_URL ?? null,
    production: e.NODE_ENV === 'production',
    engine: {
      device: e.ESPALIER_DEVICE,
      gpuDtype: e.ESPALIER_GPU_DTYPE,
      gpuBudgetBytes: e.ESPALIER_GPU_MB === undefined ? null : e.ESPALIER_GPU_MB * MB,
      gpuTensorBytes: e.ESPALIER_GPU_TENSOR_MB * MB,
      packedFolder: e.ESPALIER_PACKED === 'off' ? null : absolute(e.ESPALIER_PACKED ?? join(e.ESPALIER_DATA, 'packed')),
      threads: e.ESPALIER_THREADS,
      maxRows: e.ESPALIER_MAX_ROWS,
      maxWaiting: e.ESPALIER_MAX_WAITING,
      prefillChunkTokens: e.ESPALIER_PREFILL_CHUNK_TOKENS,
      prefillStretch: e.ESPALIER_PREFILL_STRETCH === 'off' ? null : e.ESPALIER_PREFILL_STRETCH,
      kvBudgetBytes: e.ESPALIER_KV_MB * MB,
      prefixBudgetBytes: (e.ESPALIER_PREFIX_CACHE_MB ?? Math.floor(e.ESPALIER_KV_MB / 2)) * MB,
      bankRankBudget: e.ESPALIER_BANK_RANKS,
      hostBudgetBytes: e.ESPALIER_HOST_CACHE_MB * MB,
      mergedBudgetBytes: e.ESPALIER_MERGED_MB * MB,
    },
    mergePolicy: e.ESPALIER_MERGE_POLICY,
    tokenizer: {
      workers: e.ESPALIER_TOKENIZER_WORKERS,
      timeoutMs: e.ESPALIER_TOKENIZE_TIMEOUT_MS,
      maxPromptBytes: e.ESPALIER_MAX_PROMPT_BYTES,
    },
    maxUploadBytes: e.ESPALIER_MAX_UPLOAD_MB * MB,
    hub: hubConfig(e),
    stallMs: e.ESPALIER_STALL_MS,
    corsOrigins: origins(e.ESPALIER_CORS_ORIGINS),
    metricsPort: e.ESPALIER_METRICS_PORT ?? null,
    graphql: {
      introspection: (e.ESPALIER_GRAPHQL_INTROSPECTION ?? (e.NODE_ENV === 'production' ? '0' : '1')) === '1',
      limits: {
        depth: e.ESPALIER_GRAPHQL_MAX_DEPTH,
        cost: e.ESPALIER_GRAPHQL_MAX_COST,
        aliases: e.ESPALIER_GRAPHQL_MAX_ALIASES,
        directives: e.ESPALIER_GRAPHQL_MAX_DIRECTIVES,
        tokens: e.ESPALIER_GRAPHQL_MAX_TOKENS,
      },
    },
    demo: e.ESPALIER_DEMO === '1',
    announce: e.ESPALIER_ANNOUNCE,
    keyGraceMs: e.ESPALIER_KEY_GRACE_SECONDS * 1000,
    unloadTimeoutMs: e.ESPALIER_UNLOAD_TIMEOUT_MS,
    shutdownGraceMs: e.ESPALIER_SHUTDOWN_GRACE_MS,
  };
}

function blobLocation(e: z.output<typeof environment>): BlobLocation {
  const blobs = e.ESPALIER_BLOBS ?? join(e.ESPALIER_DATA, 'blobs');
  if (!isAddress(blobs)) return { kind: 'folder', folder: absolute(blobs) };
  const address = parseS3Address(blobs);
  if (typeof address === 'string') throw new ConfigError(`ESPALIER_BLOBS: ${address}.`);
  const endpoint = e.ESPALIER_S3_ENDPOINT ?? null;
  const { username = '', password = '' } = endpoint === null ? {} : new URL(endpoint);
  if (username !== '' || password !== '')
    throw new ConfigError('ESPALIER_S3_ENDPOINT: credentials belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.');
  return {
    kind: 's3',
    ...address,
    endpoint,
    region: e.ESPALIER_S3_REGION ?? null,
    // Few other servers have a host name for each bucket.
    forcePathStyle: (e.ESPALIER_S3_FORCE_PATH_STYLE ?? (endpoint === null ? '0' : '1')) === '1',
    cacheFolder: absolute(join(e.ESPALIER_DATA, 'blob-cache')),
    cacheBytes: e.ESPALIER_BLOB_CACHE_MB * MB,
  };
}

const HUGGING_FACE = 'https://huggingface.co';
const HUGGING_FACE_CDNS = 'https://*.huggingface.co https://*.hf.co';

function hubConfig(e: z.output<typeof environment>): HubConfig | null {
  if (e.ESPALIER_HUB_URL === 'off') return null;
  const { username, password, search, hash } = new URL(e.ESPALIER_HUB_URL);
  if (username + password + search + hash !== '') {
    throw new ConfigError('ESPALIER_HUB_URL: an address without credentials, query and fragment is expected.');
  }
  const url = e.ESPALIER_HUB_URL.replace(/\/+$/, '');
  const cdns = (e.ESPALIER_HUB_CDNS ?? (url === HUGGING_FACE ? HUGGING_FACE_CDNS : ''))
    .split(/[\s,]+/)
    .filter((cdn) => cdn !== '');
  const wrong = cdns.find((cdn) => !/^https:\/\/\*\.[a-z0-9.-]+$/.test(cdn) && !isOrigin(cdn));
  if (wrong === undefined) return { url, cdns };
  throw new ConfigError(
    `ESPALIER_HUB_CDNS: "${wrong}" is neither an origin (https://cdn.example.org) nor all hosts of a domain (https://*.example.org).`,
  );
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/** `https://a.example, https://b.example:8443`: as browsers write them, which is what they are compared with. */
function origins(list: string): string[] {
  const given = list.split(/[\s,]+/).filter((origin) => origin !== '');
  const wrong = given.find((origin) => origin !== '*' && !isOrigin(origin));
  if (wrong === undefined) return given;
  throw new ConfigError(
    `ESPALIER_CORS_ORIGINS: "${wrong}" is no origin. One looks like this: https://app.example.org.`,
  );
}

function absolute(folder: string): string {
  return resolve(folder.startsWith('~/') ? homedir() + folder.slice(1) : folder);
}
