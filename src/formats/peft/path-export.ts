/**
 * The adapters of a path as one: ranks concatenated, each step's weight and scale folded into B, in float32. Exact but for
 * the one rounding of w·s·B. The file is laid out from the shapes alone and then written front to back in small pieces,
 * so neither an adapter nor a module is ever whole in memory. The same adapters and weights give the same bytes.
 */
import { AdapterLoadError } from '../../errors/adapters.js';
import { concatenateColumns } from '../../lowrank/concatenate.js';
import { linearModules } from '../checkpoint/modules.js';
import { type FileLayout, layOut } from '../safetensors/layout.js';
import { adapterKey } from './adapter-keys.js';
import { exportConfig, type ExportedModule } from './export-config.js';
import { type AdapterBase, type AdapterFiles, type AdapterModule, OpenAdapter } from './open-adapter.js';

/** Numbers of one piece, about; rows of B are never split. */
const PIECE_ELEMENTS = 256 * 1024;

/** An adapter of the path, and what the path multiplies it with. Not 0. */
export interface ExportStep extends AdapterFiles {
  /** Revision digest: what messages call it. */
  digest: string;
  weight: number;
}

/** A module's part in one adapter. */
interface Source {
  adapter: OpenAdapter;
  module: AdapterModule;
  weight: number;
}

/** A module of the result: A [rank, in] and B [out, rank], of all its sources in the path's order. */
interface Whole extends ExportedModule {
  inFeatures: number;
  outFeatures: number;
  sources: readonly Source[];
}

export class PathExport {
  readonly #adapters: readonly OpenAdapter[];
  readonly #modules: readonly Whole[];
  readonly #layout: FileLayout;

  private constructor(adapters: readonly OpenAdapter[], modules: readonly Whole[], pathDigest: string) {
    this.#adapters = adapters;
    this.#modules = modules;
    const tensors = modules.flatMap(({ name, rank, inFeatures, outFeatures }) => [
      { name: adapterKey(name, 'A'), dtype: 'F32' as const, shape: [rank, inFeatures] },
      { name: adapterKey(name, 'B'), dtype: 'F32' as const, shape: [outFeatures, rank] },
    ]);
    // "format" is what the libraries of Hugging Face look for.
    this.#layout = layOut(tensors, { format: 'pt', espalier_path: pathDigest });
  }

  /** At least one step. Close it after use. */
  static async open(steps: readonly ExportStep[], base: AdapterBase, pathDigest: string): Promise<PathExport> {
    const adapters: OpenAdapter[] = [];
    try {
      for (const step of steps) adapters.push(await openStep(step, base));
      const weighted = adapters.map((adapter, i) => ({ adapter, weight: steps[i]?.weight ?? 0 }));
      const modules = linearModules(base.config).flatMap(({ name, inFeatures, outFeatures }) => {
        const sources = weighted.flatMap(({ adapter, weight }) => {
          const module = adapter.modules.get(name);
          return module === undefined ? [] : [{ adapter, module, weight }];
        });
        const rank = sources.reduce((sum, { module }) => sum + module.rank, 0);
        return rank === 0 ? [] : [{ name, inFeatures, outFeatures, rank, sources }];
      });
      return new PathExport(adapters, modules, pathDigest);
    } catch (error) {
      await closeAll(adapters);
      throw error;
    }
  }

  /** adapter_config.json */
  config(baseModel: string): string {
    return `${JSON.stringify(exportConfig(this.#modules, baseModel), null, 2)}\n`;
  }

  /** Size of adapter_model.safetensors. */
  get weightsBytes(): number {
    return this.#layout.bytes;
  }

  /** adapter_model.safetensors from its first byte to its last, in pieces that own their memory. */
  async *weights(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield this.#layout.header.slice();
    for (const module of this.#modules) {
      for await (const values of rowsOfA(module)) yield bytesOf(values);
      for await (const values of rowsOfB(module)) yield bytesOf(values);
    }
  }

  close(): Promise<void> {
    return closeAll(this.#adapters);
  }
}

/** It was checked when it was pushed, so whatever is wrong with it now is no fault of the caller. */
async function openStep(step: ExportStep, base: AdapterBase): Promise<OpenAdapter> {
  try {
    return await OpenAdapter.open(step, base);
  } catch (error) {
    throw new AdapterLoadError(error);
  }
}

async function* rowsOfA({ sources }: Whole): AsyncGenerator<Float32Array<ArrayBuffer>> {
  for (const { adapter, module } of sources) {
    const elements = adapter.weights.elements(module.keyA);
    for (let first = 0; first < elements; first += PIECE_ELEMENTS) {
      // In an array of its own, which may travel: the file isn't preloaded.
      yield adapter.weights.readFloat32(module.keyA, first, Math.min(PIECE_ELEMENTS, elements - first));
    }
  }
}

async function* rowsOfB({ rank, outFeatures, sources }: Whole): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const most = Math.max(1, Math.floor(PIECE_ELEMENTS / rank));
  for (let first = 0; first < outFeatures; first += most) {
    const rows = Math.min(most, outFeatures - first);
    const parts = [];
    for (const { adapter, module, weight } of sources) {
      const b = await adapter.weights.readFloat32(module.keyB, first * module.rank, rows * module.rank);
      parts.push({ rank: module.rank, b, scale: weight * module.scale });
    }
    yield concatenateColumns(parts, rows);
  }
}

/** The format is little-endian, as is every platform that the runtime is built for. */
function bytesOf(values: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function closeAll(adapters: readonly OpenAdapter[]): Promise<void> {
  await Promise.allSettled(adapters.map((adapter) => adapter.close()));
}
