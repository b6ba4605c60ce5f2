/**
 * onnxruntime, behind the few calls that we use. No other file imports `onnxruntime-node`.
 *
 * Inputs on the CPU are not copied, so what a tensor was made of must not change during a run; every output is a new
 * array. `run` blocks its thread until it is done, though it returns a promise.
 *
 * On a GPU (`webgpu`) a tensor may stay in the device's memory between runs. The garbage collector knows nothing of such
 * a tensor: who gets one must dispose it. Its data must not be asked for, which ends the process; run a copy graph.
 */
import { env, InferenceSession, Tensor } from 'onnxruntime-node';
import { SessionLoadError, SessionRunError } from '../errors/engine.js';

/** Of onnxruntime-node, and so of the runtime in it. */
export const RUNTIME_VERSION = env.versions.node ?? '';

export type ExecutionDevice = 'cpu' | 'webgpu' | 'cuda';

/** A tensor as fed, in CPU memory or in the device's. */
export type InputTensor = Tensor;
export type Feeds = Readonly<Record<string, InputTensor>>;

/** A float32 tensor that a run put out. */
export interface OutputTensor {
  dims: readonly number[];
  data: Float32Array;
}

/** Bytes that runs moved between the CPU's memory and the device's: counted up by each run. */
export interface BusTraffic {
  upBytes: number;
  downBytes: number;
}

export interface SessionOptions {
  /** 'cpu' where left out. */
  device?: ExecutionDevice;
  /** Where `runOnDevice` leaves its outputs is settled at load; such a session has no `run`. */
  outputs?: 'host' | 'device';
  /** Refuses a graph of which the device can't run every operator. */
  wholeGraphOnDevice?: boolean;
  /** Counts what is fed from and fetched into the CPU's memory. */
  bus?: BusTraffic;
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
  /** Where to write the graph as it is after optimization, with all weights in a file beside it, packed ones too. */
  saveTo?: { graphFile: string; weightsName: string };
}

/** The data is used where it is. */
export function float32(data: Float32Array, dims: readonly number[]): InputTensor {
  return new Tensor('float32', data, dims);
}

/** The data is used where it is. */
export function int64(data: BigInt64Array, dims: readonly number[]): InputTensor {
  return new Tensor('int64', data, dims);
}

/** [1] */
export function bool(value: boolean): InputTensor {
  return new Tensor('bool', [value], [1]);
}

/** The data is used where it is: patterns of 16 bits. */
export function float16(data: Uint16Array, dims: readonly number[]): InputTensor {
  return narrow('float16', data, dims);
}

/** The data is used where it is. */
export function uint8(data: Uint8Array, dims: readonly number[]): InputTensor {
  return narrow('uint8', data, dims);
}

/** Where JavaScript has a Float16Array, `Tensor` would make one of the patterns, which the runtime's own part refuses. */
function narrow(type: 'float16' | 'uint8', data: Uint16Array | Uint8Array, dims: readonly number[]): InputTensor {
  // What the runtime reads of a tensor.
  return { type, data, dims, location: 'cpu' } as unknown as Tensor;
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

const EXECUTION_PROVIDERS: Record<ExecutionDevice, string[]> = {
  cpu: ['cpu'],
  webgpu: ['webgpu'],
  cuda: ['cuda', 'cpu'],
};

export class Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly #session: InferenceSession;
  readonly #inputs: ReadonlySet<string>;
  readonly #bus: BusTraffic | undefined;

  private constructor(session: InferenceSession, bus: BusTraffic | undefined) {
    this.#session = session;
    this.#bus = bus;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
    this.#inputs = new Set(session.inputNames);
  }

  /** Loads a model file, whose external data lie in the same folder, or a graph in memory. Blocks the thread. */
  static async load(model: string | GraphInFolder | GraphInMemory, options: SessionOptions = {}): Promise<Session> {
    const { threads = 0, graphOptimization = 'all', prepack = true, spinBetweenRuns = false, saveTo } = options;
    const sessionOptions: InferenceSession.SessionOptions = {
      executionProviders: EXECUTION_PROVIDERS[options.device ?? 'cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // It would remember a plan for each new set of input shapes, and ours never end: about 100 kB each, for no gain.
      enableMemPattern: false,
      graphOptimizationLevel: graphOptimization,
      ...(saveTo === undefined ? {} : { optimizedModelFilePath: saveTo.graphFile }),
      logSeverityLevel: 3,
      ...(options.outputs === 'device' ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
      ...(typeof model !== 'string' && 'files' in model ? { externalData: [...model.files] } : {}),
      extra: {
        session: {
          disable_prepacking: prepack ? '0' : '1',
          force_spinning_stop: spinBetweenRuns ? '0' : '1',
          ...(saveTo === undefined
            ? {}
            : {
                optimized_model_external_initializers_file_name: saveTo.weightsName,
                optimized_model_external_initializers_min_size_in_bytes: '0',
                save_external_prepacked_constant_initializers: '1',
              }),
          ...(options.wholeGraphOnDevice === true ? { disable_cpu_ep_fallback: '1' } : {}),
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
        options.bus,
      );
    } catch (error) {
      throw new SessionLoadError(nameOf(model), error);
    }
  }

  /**
   * Feeds must be exactly the inputs of the model. Every output that is asked for is copied out, so ask for what is
   * needed. `inPlace`: outputs that are written into tensors in the device's memory; these may be fed as well.
   */
  async run(
    feeds: Feeds,
    outputs: readonly string[] = this.outputNames,
    inPlace: Feeds = {},
  ): Promise<Record<string, OutputTensor>> {
    const fetches = { ...inPlace, ...Object.fromEntries(outputs.map((name) => [name, null])) };
    const results = await this.#run(feeds, fetches);
    const copied: Record<string, OutputTensor> = {};
    for (const [name, tensor] of Object.entries(results)) {
      // A second handle on the tensor that was written into, which would keep its memory.
      if (name in inPlace) tensor.dispose();
      else copied[name] = { dims: tensor.dims, data: tensor.data as Float32Array };
    }
    if (this.#bus !== undefined) {
      for (const { data } of Object.values(copied)) this.#bus.downBytes += data.byteLength;
    }
    return copied;
  }

  /** All outputs, in the device's memory: for sessions with `outputs: 'device'`. The caller disposes them. */
  async runOnDevice(feeds: Feeds): Promise<Record<string, InputTensor>> {
    const results = await this.#run(feeds, Object.fromEntries(this.outputNames.map((name) => [name, null])));
    return Object.fromEntries(Object.entries(results));
  }

  async #run(feeds: Feeds, fetches: Record<string, InputTensor | null>): Promise<InferenceSession.ReturnType> {
    this.#check(feeds);
    if (this.#bus !== undefined) this.#bus.upBytes += bytesFromHost(feeds);
    try {
      return await this.#session.run(feeds, fetches);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new SessionRunError(reason, describe(feeds), { cause: error });
    }
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

function bytesFromHost(feeds: Feeds): number {
  let bytes = 0;
  for (const tensor of Object.values(feeds)) {
    if (tensor.location === 'cpu' && tensor.type !== 'string') bytes += (tensor.data as Uint8Array).byteLength;
  }
  return bytes;
}
