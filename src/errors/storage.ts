/** The disk and the blob store. */
import { EspalierError } from './espalier-error.js';
import { StartError } from './start-up.js';

export class StorageOpenError extends StartError {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The disk can't take what was to be written. */
export class StorageFullError extends EspalierError {
  constructor(what: string, cause: unknown) {
    super(
      {
        code: 'storage_full',
        status: 507,
        message: `There is no room on the disk for ${what}. Nothing was kept of it. Make room where the data folder lies (ESPALIER_DATA), then try again.`,
      },
      { cause },
    );
  }
}

/** Disk full, quota used up, or a file larger than the file system or the process may make it. */
const OUT_OF_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error that callers get for what writing threw. */
export function explainWriteError(what: string, error: unknown): unknown {
  const full = error instanceof Error && 'code' in error && OUT_OF_ROOM.has(String(error.code));
  return full ? new StorageFullError(what, error) : error;
}

/** The blobs can't be reached; what is cached is still served. */
export class StorageUnavailableError extends EspalierError {
  constructor(where: string, cause: unknown) {
    super(
      {
        code: 'storage_unavailable',
        status: 503,
        message: `The blob store ${where} can't be reached now. Try again.`,
        retryAfterSeconds: 5,
      },
      { cause },
    );
  }
}

/** The blob store answers, but not to us. */
export class StorageRefusedError extends EspalierError {
  constructor(where: string, reason: string, advice: string, cause: unknown) {
    super(
      { code: 'storage_refused', status: 500, message: `The blob store ${where} refuses (${reason}). ${advice}` },
      { cause },
    );
  }
}

export class BlobMissingError extends EspalierError {
  constructor(sha256: string, where: string) {
    super({
      code: 'blob_missing',
      status: 500,
      message: `The file ${sha256} isn't in the blob store ${where}. Restore it from a copy of the store, or push the adapter again.`,
      details: { sha256 },
    });
  }
}

/** The bytes aren't those that the digest stands for. */
export class BlobDamagedError extends EspalierError {
  constructor(sha256: string, found: { sha256: string; bytes: number }) {
    super({
      code: 'blob_damaged',
      status: 500,
      message: `The blob store holds other bytes under ${sha256} than were put there: ${found.bytes} bytes with the SHA-256 ${found.sha256}. Restore the file from a copy of the store, or push the adapter again.`,
      details: { sha256, found: found.sha256 },
    });
  }
}

/** Before they were recorded the files were removed, as nobody's. */
export class BlobVanishedError extends EspalierError {
  constructor(what: string) {
    super({
      code: 'blob_vanished',
      status: 409,
      message: `The files of ${what} were removed before they were recorded, because they were nobody's yet. Send it again.`,
    });
  }
}

/** More bytes came than may be stored. */
export class BlobTooLargeError extends EspalierError {
  constructor(limitBytes: number) {
    super({
      code: 'blob_too_large',
      status: 413,
      message: `The file is larger than ${limitBytes} bytes. ESPALIER_MAX_UPLOAD_MB sets the limit.`,
      details: { limitBytes },
    });
  }
}
