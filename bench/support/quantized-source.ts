/** A checkpoint with its linears quantised, as an import leaves it: the files, and the quantised weights beside them. */
import { cp, link, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelSource } from '../../src/engine/protocol.js';
import { readCheckpoint } from '../../src/formats/checkpoint/read-checkpoint.js';
import { QUANTIZED_FILE } from '../../src/formats/quantization/quantized-file.js';
import { quantizationOf } from '../../src/formats/quantization/scheme.js';
import { writeQuantized } from '../../src/formats/quantization/write-quantized.js';

/** In a folder of its own below `folder`; the files are shared where the file system can. */
export async function quantizedSource(
  { digest, folder: source }: ModelSource,
  folder: string,
  bits: 8 | 4,
): Promise<ModelSource> {
  const target = join(folder, `int${bits}`);
  await mkdir(target, { recursive: true });
  for (const name of await readdir(source)) {
    const [from, to] = [join(source, name), join(target, name)];
    await link(from, to).catch(() => cp(from, to, { recursive: true }));
  }
  const checkpoint = await readCheckpoint(target);
  await writeQuantized(checkpoint, quantizationOf(bits === 8 ? 'int8' : 'int4'), join(target, QUANTIZED_FILE));
  return { digest: `${digest} int${bits}`, folder: target };
}
