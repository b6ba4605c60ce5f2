/**
 * Files by the SHA-256 of their bytes: what the registry needs of a store, whatever keeps the bytes.
 *
 * Several instances may share one store. Under its digest a blob is whole or not there. Nothing here knows which blobs
 * are needed: whoever deletes one has made sure of that.
 */
import type { SweepOptions } from './temporary.js';

export interface StoredBlob {
  /** Hex. */
  sha256: string;
  bytes: number;
}

export interface ListedBlob extends StoredBlob {
  /** When its bytes were last put, also where they were there already: what is new isn't garbage yet. */
  modifiedAt: Date;
}

/**
 * Called in the moment in which a blob is there, with whether it was there before. Of several that this process puts at
 * once, exactly one is new.
 */
export type Placed = (sha256: string, existed: boolean) => void;

export abstract class BlobStore {
  /** Where it is, for people. */
  abstract readonly description: string;

  /** Stores what the stream gives. The same bytes twice are one blob. Throws BlobTooLargeError. */
  abstract put(stream: AsyncIterable<Uint8Array>, maxBytes?: number, placed?: Placed): Promise<StoredBlob>;

  abstract has(sha256: string): Promise<boolean>;

  /** Throws where nothing could be put now, as far as can be told without putting something. */
  abstract check(): Promise<void>;

  /** Does nothing if it isn't there. */
  abstract delete(sha256: string): Promise<void>;

  /** In no order. What comes or goes meanwhile may be left out. */
  abstract list(): AsyncIterable<ListedBlob>;

  /** Removes what is left of puts whose process died in them, as at a start. Returns how many. */
  abstract sweep(options?: SweepOptions): Promise<number>;

  /**
   * Absolute path of a file with its bytes, on this machine, for who opens it soon. A store of files doesn't look
   * whether it is there; one that has to fetch it throws BlobMissingError.
   */
  abstract local(sha256: string): Promise<string>;
}

const SHA256 = /^[0-9a-f]{64}$/;

/**
 * A blob's name below the root of a store, in folders of two letters. The same for every kind of store, so that a copy
 * of the one is the other.
 */
export function blobKey(sha256: string): string {
  // A name from outside must never become a path out of the store.
  if (!SHA256.test(sha256)) throw new TypeError(`"${sha256}" is no SHA-256 in hex`);
  return `${sha256.slice(0, 2)}/${sha256}`;
}

/** The inverse; null for what is no blob. */
export function blobOfKey(key: string): string | null {
  const sha256 = key.slice(3);
  return SHA256.test(sha256) && key === blobKey(sha256) ? sha256 : null;
}
