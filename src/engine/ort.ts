/**
 * onnxruntime, behind the few calls that we use. No other file imports `onnxruntime-node`.
 *
 * Inputs on the CPU are not copied, so what a tensor was made of must not change during a run; every output is a new
 * array. `run` blocks its thread until it is done, though it returns a promise.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { SessionLoadError, SessionRunError } from '../errors.js';

/** A tensor in CPU memory, as fed. */
export type InputTensor = Tensor;
export type Feeds = Readonly<Record<string, InputTensor>>;

/** A float32 tensor that a run put out. */
export interface OutputTensor {
  dims: readonly number[];
  data: Float32Array;
}

export interface SessionOptions {
  /** Threads of the session's own pool; 0 leaves the number to the runtime. */
  threads?: number;
  /** 'disabled' runs the graph as it is written: for finding out what the optimizer did. */
  graphOptimization?: 'all' | 'disabled';
  /**
   * Weights are packed once at load into the layout that the kernels like: faster, and one more copy of them in memory.
   * Off, they are mapped from the file.
   */
  prepack?: boolean;
  /** Threads keep spinning between runs. Off lets several sessions of one process take turns. */
  spinBetweenRuns?: boolean;
  /** Where to write the graph as it is after optimization. */
  optimizedModelFile?: string;
}

/** The data is used where it is. */
export function float32(data: Float32Array, dims: readonly number[]): InputTensor {
  return new Tensor('float32', data, dims);
}

/** The data is used where it is. */
export function int64(data: BigInt64Array, dims: readonly number[]): InputTensor {
  return new Tensor('int64', data, dims);
}

/** A graph in memory, and the folder that its external data lie in. */
export interface GraphInFolder {
  /** An encoded ModelProto. */
  graph: Uint8Array;
  folder: string;
}

/** A graph in memory whose external data lie there too: a session reads either files or memory, never both. */
export interface GraphInMemory {
  /** An encoded ModelProto. */
  graph: Uint8Array;
  /** By the locations that the graph names. They may go once the session is there. */
  files: readonly FileInMemory[];
}

export interface FileInMemory {
  path: string;
  data: Uint8Array;
}

export class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #session: InferenceSession;
  readonly #inputs: ReadonlySet<string>;

  private constructor(session: InferenceSession) {
    this.#session = session;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
    this.#inputs = new Set(session.inputNames);
  }

  /** Loads a model file, whose external data lie in the same folder, or a graph in memory. Blocks the thread. */
  static async load(model: string | GraphInFolder | GraphInMemory, options: SessionOptions = {}): Promise<Session> {
    const { threads = 0, graphOptimization = 'all', prepack = true, spinBetweenRuns = false } = options;
    const sessionOptions: InferenceSession.SessionOptions = {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // It would remember a plan for each new set of input shapes, and ours never end: about 100 kB each, for no gain.
      enableMemPattern: false,
      graphOptimizationLevel: graphOptimization,
      ...(options.optimizedModelFile === undefined ? {} : { optimizedModelFilePath: options.optimizedModelFile }),
      logSeverityLevel: 3,
      ...(typeof model !== 'string' && 'files' in model ? { externalData: [...model.files] } : {}),
      extra: {
        session: {
          disable_prepacking: prepack ? '0' : '1',
          force_spinning_stop: spinBetweenRuns ? '0' : '1',
          ...(typeof model !== 'string' && 'folder' in model
            ? { model_external_initializers_file_folder_path: model.folder }
            : {}),
        },
      },
    };
    try {
      return new Session(
        typeof model === 'string'
          ? await InferenceSession.create(model, sessionOptions)
          : await InferenceSession.create(model.graph, sessionOptions),
      );
    } catch (error) {
      throw new SessionLoadError(nameOf(model), error);
    }
  }

  /**
   * Feeds must be exactly the inputs of the model. Every output that is asked for is copied out, so ask for what is
   * needed.
   */
  async run(feeds: Feeds, outputs: readonly string[] = this.outputNames): Promise<Record<string, OutputTensor>> {
    this.#check(feeds);
    let results: InferenceSession.ReturnType;
    try {
      results = await this.#session.run(feeds, outputs);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new SessionRunError(reason, describe(feeds), { cause: error });
    }
    return Object.fromEntries(
      Object.entries(results).map(([name, tensor]) => [name, { dims: tensor.dims, data: tensor.data as Float32Array }]),
    );
  }

  #check(feeds: Feeds): void {
    const missing = this.inputNames.filter((name) => feeds[name] === undefined);
    if (missing.length > 0) throw new SessionRunError(`it misses ${list(missing)}.`, describe(feeds));
    const names = Object.keys(feeds);
    if (names.length === this.inputNames.length) return;
    const unknown = names.filter((name) => !this.#inputs.has(name));
    throw new SessionRunError(`it has no input ${list(unknown)}.`, describe(feeds));
  }

  /** Frees the weights. The session can't be used after. */
  release(): Promise<void> {
    return this.#session.release();
  }
}

function nameOf(model: string | GraphInFolder | GraphInMemory): string {
  if (typeof model === 'string') return model;
  return 'folder' in model ? model.folder : 'in memory';
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** `position_ids int64 [2, 7]` */
function describe(feeds: Feeds): string[] {
  return Object.entries(feeds).map(([name, { type, dims }]) => `${name} ${type} [${dims.join(', ')}]`);
}
