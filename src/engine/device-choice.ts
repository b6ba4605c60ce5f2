/** 'auto': a GPU through WebGPU where there is one that isn't made of software, else the CPU. */
export const DEVICE_CHOICES = ['auto', 'cpu', 'webgpu', 'cuda'] as const;
export type DeviceChoice = (typeof DEVICE_CHOICES)[number];
