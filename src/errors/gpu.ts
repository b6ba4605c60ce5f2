import { EspalierError } from './espalier-error.js';

/** ESPALIER_DEVICE asks for a GPU, and none can be used. */
export class GpuUnavailableError extends EspalierError {
  constructor(reason: string) {
    super({
      code: 'gpu_unavailable',
      status: 503,
      message: `The service is to run on a GPU (ESPALIER_DEVICE=webgpu), but none can be used: ${reason}. Whoever runs it should install the GPU's driver (on Linux with Vulkan, libvulkan1 included, and the device passed into the container), or set ESPALIER_DEVICE=cpu or auto.`,
    });
  }
}

/** ESPALIER_GPU_DTYPE asks for float16, and the GPU's shaders don't compute with it. */
export class GpuFloat16UnavailableError extends EspalierError {
  constructor() {
    super({
      code: 'gpu_dtype_unavailable',
      status: 503,
      message:
        "The service is to compute in float16 on the GPU (ESPALIER_GPU_DTYPE=float16), but its shaders can't (WebGPU's feature shader-f16 is missing or broken). Whoever runs it should set ESPALIER_GPU_DTYPE=float32 or auto, or use another GPU or driver.",
    });
  }
}

/** A model with a weight that float16 has no number for. */
export class Float16ExceededError extends EspalierError {
  constructor(tensor: string) {
    super({
      code: 'gpu_dtype_exceeded',
      status: 500,
      message: `The path's model can't be loaded in float16: its tensor ${tensor} has values beyond ±65504. Whoever runs the service should set ESPALIER_GPU_DTYPE=float32.`,
      details: { tensor },
    });
  }
}

/** What a model takes of a GPU's memory, in bytes, by what for. */
export interface GpuNeed {
  weights: number;
  largestTensor: number;
  /** Of other models, merged lanes included. */
  inUse: number;
  /** Null: none is set. */
  budget: number | null;
  /** Of one tensor; null: none is set. */
  tensorLimit: number | null;
}

/** A model that doesn't fit on the GPU: nothing of it has been loaded. */
export class GpuMemoryExceededError extends EspalierError {
  constructor(need: GpuNeed) {
    const { weights, largestTensor, inUse, budget, tensorLimit } = need;
    const megabytes = (bytes: number) => `${Math.ceil(bytes / 1024 / 1024)} MB`;
    const why =
      tensorLimit !== null && largestTensor > tensorLimit
        ? `its largest tensor takes ${megabytes(largestTensor)}, and ESPALIER_GPU_TENSOR_MB allows ${megabytes(tensorLimit)}`
        : `its weights take ${megabytes(weights)}, ${megabytes(inUse)} are in use, and ESPALIER_GPU_MB allows ${megabytes(budget ?? 0)}`;
    super({
      code: 'gpu_memory_exceeded',
      status: 507,
      message: `The path's model doesn't fit on the GPU: ${why}. Nothing was loaded. Unload another model, raise the limit if the GPU has more memory, or set ESPALIER_DEVICE=cpu.`,
      details: { ...need },
    });
  }
}
