/** 'auto': a GPU through WebGPU where there is one that isn't made of software, else the CPU. */
export const DEVICE_CHOICES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;
export type DeviceChoice = (typeof DEVICE_CHOICES)[number];

/** Of weights, rank rows and the KV cache on `webgpu`. 'auto': float16 where the GPU's shaders compute with it, else float32. */
export const GPU_DTYPE_CHOICES = ['auto', 'float32', 'float16'] as const;
export type GpuDtypeChoice = (typeof GPU_DTYPE_CHOICES)[number];
