/** What an engine process computes on: settled when the first model is loaded, for all of them. */
import { GpuFloat16UnavailableError, GpuUnavailableError } from '../errors/gpu.js';
import type { FloatType } from '../graph/graph-options.js';
import type { DeviceChoice, GpuDtypeChoice } from './device-choice.js';
import { GpuDevice } from './gpu/gpu-device.js';
import { type GpuProbe, probeGpu } from './gpu/probe-gpu.js';
import { devices, hasGpuDevice } from './gpu/software-driver.js';
import type { BusTraffic } from './ort.js';

export type ChosenDevice = { kind: 'cpu' } | { kind: 'cuda' } | { kind: 'webgpu'; gpu: GpuDevice };

const NO_TRAFFIC: BusTraffic = { upBytes: 0, downBytes: 0 };

export class EngineDevice {
  readonly #choice: DeviceChoice;
  readonly #probe: () => Promise<GpuProbe>;
  readonly #dtype: GpuDtypeChoice;
  #chosen: ChosenDevice | null = null;

  constructor(choice: DeviceChoice, probe: () => Promise<GpuProbe> = probeGpu, dtype: GpuDtypeChoice = 'auto') {
    this.#choice = choice;
    this.#probe = probe;
    this.#dtype = dtype;
  }

  /** Null before the first model. */
  get kind(): ChosenDevice['kind'] | null {
    return this.#chosen?.kind ?? null;
  }

  /** What matrices are made of there. */
  get dtype(): FloatType {
    return this.#chosen?.kind === 'webgpu' ? this.#chosen.gpu.floatType : 'float32';
  }

  get bus(): Readonly<BusTraffic> {
    return this.#chosen?.kind === 'webgpu' ? this.#chosen.gpu.bus : NO_TRAFFIC;
  }

  /** Of tensors in a GPU's memory. */
  get gpuBytes(): number {
    return this.#chosen?.kind === 'webgpu' ? this.#chosen.gpu.ledger.bytes : 0;
  }

  async choose(): Promise<ChosenDevice> {
    this.#chosen ??= await this.#choose();
    return this.#chosen;
  }

  async release(): Promise<void> {
    if (this.#chosen?.kind === 'webgpu') await this.#chosen.gpu.release();
    this.#chosen = null;
  }

  async #choose(): Promise<ChosenDevice> {
    if (this.#choice === 'cpu' || this.#choice === 'cuda') return { kind: this.#choice };
    // Said without the second that trying takes.
    if (this.#choice === 'auto' && process.platform === 'linux' && !hasGpuDevice(devices())) return { kind: 'cpu' };
    const probe = await this.#probe();
    if (this.#choice === 'auto' && !(probe.usable && probe.software === false)) return { kind: 'cpu' };
    if (!probe.usable) throw new GpuUnavailableError(probe.reason);
    if (this.#dtype === 'float16' && !probe.float16) throw new GpuFloat16UnavailableError();
    const floatType = this.#dtype !== 'float32' && probe.float16 ? 'float16' : 'float32';
    return { kind: 'webgpu', gpu: await GpuDevice.open(floatType) };
  }
}
