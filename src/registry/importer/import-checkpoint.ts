/**
 * A Hugging Face folder → a folder of ours.
 *
 * Everything is made in a temporary folder, forced to the disk, and renamed to the digest of its files: under that name
 * a model is whole or not there. Weights are streamed, never held. Quantised weights are made beside those that they are
 * made from, which stay: a merged path is quantised anew from them.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissingFile } from '../../errors/files.js';
import { ModelFilesChangedError } from '../../errors/models.js';
import { explainWriteError } from '../../errors/storage.js';
import {
  checkFileStamps,
  STAMPS_FILE,
  writeFileStamps,
  type HashedFile,
} from '../../formats/checkpoint/file-stamps.js';
import { OTHER_FILES, readCheckpoint, type Checkpoint } from '../../formats/checkpoint/read-checkpoint.js';
import { QUANTIZED_FILE } from '../../formats/quantization/quantized-file.js';
import { QUANTIZER_VERSION, type Quantization } from '../../formats/quantization/scheme.js';
import { bytesToQuantize } from '../../formats/quantization/write-quantized.js';
import { buildDecoderGraph } from '../../graph/decoder-graph.js';
import { syncFolder } from '../../storage/durable.js';
import { moveIntoPlace } from '../../storage/move-into-place.js';
import { sweepTemporary, temporaryName } from '../../storage/temporary.js';
import { copyHashed, syncFile } from './copy-file.js';

const TEMPORARY = '.tmp';
/** Changes with the meaning of what is hashed. */
const DIGEST_VERSION = 'espalier base 1';

export interface ImportOptions {
  /** Where a file of the folder really lies; throws if it may not be read. */
  locate: (folder: string, name: string) => Promise<string>;
  /** Shares the files with the source instead of copying them. */
  hardLink: boolean;
  /** How the linears are to be quantised; null leaves them as they are. */
  quantization: Quantization | null;
  /** Writes the file of quantised weights into a folder. */
  quantize: (folder: string, quantization: Quantization, onBytes: (bytes: number) => void) => Promise<HashedFile>;
  /** Called once the digest is known; throws if it isn't wanted. */
  admit: (digest: string) => void;
  /** Told how far the files are, as often as that changes. */
  onProgress?: (progress: ImportProgress) => void;
}

export interface ImportProgress {
  /** Read so far. */
  bytes: number;
  totalBytes: number;
}

export interface ImportedCheckpoint {
  /** Base digest: the names and bytes of config, tokenizer, chat template and shards, and how they are quantised. */
  digest: string;
  /** Of the files. */
  bytes: number;
  checkpoint: Checkpoint;
  /** The folder is new; else these files were there already. */
  placed: boolean;
}

/** `models`: the folder in which each model lies under its digest. */
export async function importCheckpoint(
  source: string,
  models: string,
  { locate, hardLink, quantization, quantize, admit, onProgress }: ImportOptions,
): Promise<ImportedCheckpoint> {
  // A link may lead to where nothing may be read, not even what is wrong with it.
  const names = (await readdir(source)).filter((name) => OTHER_FILES.includes(name) || name.endsWith('.safetensors'));
  for (const name of names) await locate(source, name);
  // Headers and config only: what can't be served is refused before anything is copied.
  const read = await readCheckpoint(source);
  const { weightFiles, otherFiles } = read;
  await mkdir(models, { recursive: true, mode: 0o700 });
  const temporary = join(models, temporaryName());
  try {
    await mkdir(temporary, { mode: 0o700 });
    const files: HashedFile[] = [];
    const found = await located(source, [...otherFiles, ...weightFiles], locate);
    const toQuantize = quantization === null ? 0 : bytesToQuantize(read);
    const progress = { bytes: 0, totalBytes: found.reduce((sum, { bytes }) => sum + bytes, toQuantize) };
    const onBytes = (bytes: number): void => onProgress?.({ ...progress, bytes: (progress.bytes += bytes) });
    for (const { name, file } of found) {
      const options = { hardLink: hardLink && weightFiles.includes(name), onBytes };
      files.push({ name, ...(await copyHashed(file, join(temporary, name), options)) });
    }
    const digest = baseDigest(files, quantization);
    admit(digest);
    const place = join(models, digest);
    let placed = !(await isIntact(place));
    if (placed && quantization !== null) {
      files.push(await quantize(temporary, quantization, onBytes));
      await syncFile(join(temporary, QUANTIZED_FILE));
    }
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (!placed && quantization !== null) bytes += (await stat(join(place, QUANTIZED_FILE))).size;
    // Read again: the copy is what will be served, whatever happened to the source meanwhile.
    const { origins } = await readCheckpoint(source);
    const checkpoint = { ...(await readCheckpoint(temporary)), folder: place, origins };
    if (placed) {
      // The engine builds it at each load: what it can't build is refused here.
      buildDecoderGraph(checkpoint.config, checkpoint.tensors);
      await writeFileStamps(temporary, files);
      await syncFile(join(temporary, STAMPS_FILE));
      await syncFolder(temporary);
      placed = await replace(place, temporary);
      await syncFolder(models);
    }
    return { digest, bytes, checkpoint, placed };
  } catch (error) {
    throw explainWriteError('the model', error);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Where the files really lie, and how much there is to read. */
function located(source: string, names: readonly string[], locate: ImportOptions['locate']) {
  return Promise.all(
    names.map(async (name) => {
      const file = await locate(source, name);
      return { name, file, bytes: (await stat(file)).size };
    }),
  );
}

/** Removes what a crash left behind. Other instances may be making theirs in the same folder. */
export async function sweepModels(models: string): Promise<void> {
  await mkdir(models, { recursive: true, mode: 0o700 });
  await sweepTemporary(models);
}

/** Quantised weights follow from the files and the way in which they are quantised, so they need not be made first. */
function baseDigest(files: readonly HashedFile[], quantization: Quantization | null): string {
  const named = files.map(({ name, sha256 }) => [name, sha256]).sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
  const quantized = quantization === null ? '' : `\n${quantization} ${QUANTIZER_VERSION}`;
  return createHash('sha256')
    .update(`${DIGEST_VERSION}\n${JSON.stringify(named)}${quantized}`)
    .digest('hex');
}

/** The same files were imported before, and still are what they were. */
export async function isIntact(folder: string): Promise<boolean> {
  try {
    await access(join(folder, STAMPS_FILE));
    await checkFileStamps(folder);
    return true;
  } catch (error) {
    if (isMissingFile(error) || error instanceof ModelFilesChangedError) return false;
    throw error;
  }
}

/**
 * Renames a finished folder into its place. A damaged one there makes way; what maps its files keeps them until it lets
 * go. An intact one stays, which another instance has put there meanwhile: then this says false.
 */
async function replace(place: string, folder: string): Promise<boolean> {
  const old = `${folder}-replaced${TEMPORARY}`;
  while (!(await moveIntoPlace(folder, place))) {
    if (await isIntact(place)) return false;
    await rename(place, old).catch(ignoreMissing);
    // Another instance may have mended it since it was looked at.
    if (await isIntact(old)) await moveIntoPlace(old, place);
    await rm(old, { recursive: true, force: true });
  }
  return true;
}

function ignoreMissing(error: unknown): void {
  if (!isMissingFile(error)) throw error;
}
