/**
 * A service whose registry holds a model of a few kilobytes, and PEFT folders to push to it. For tests of the registry:
 * nothing here has a tokenizer.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LinearModule } from '../../../src/formats/checkpoint/modules.js';
import { writeSafetensors, type TensorToWrite } from '../../../src/formats/safetensors/write-safetensors.js';
import type { PushedRevisionDto } from '../../../src/registry/dto/revision.dto.js';
import { values, tinyModules, writeCheckpoint } from '../../unit/formats/support/tiny-model.js';
import { TestService, type Answer, type CallOptions } from './service.js';

export interface ErrorBody {
  error: { code: string; message: string; param: string | null; details?: Record<string, unknown> };
}

export interface TinyAdapter {
  /** Other numbers for other seeds. */
  seed?: number;
  rank?: number;
  /** Fields of adapter_config.json. */
  config?: Record<string, unknown>;
  /** What is written instead of the tensors. */
  tensors?: (tensors: TensorToWrite[]) => TensorToWrite[];
}

export class TinyRegistry {
  readonly service: TestService;
  /** The service may read it. */
  readonly folder: string;

  private constructor(service: TestService, folder: string) {
    this.service = service;
    this.folder = folder;
  }

  /** With the model `tiny`, unless `empty`. */
  static async start({ empty = false, env = {} } = {}): Promise<TinyRegistry> {
    const folder = await mkdtemp(join(tmpdir(), 'espalier tiny '));
    const service = await TestService.start({ env: { ESPALIER_IMPORT_ROOTS: folder, ...env } });
    const registry = new TinyRegistry(service, folder);
    await writeCheckpoint(join(folder, 'tiny'));
    if (!empty) await registry.post('/models', { name: 'tiny', folder: join(folder, 'tiny') }, 201);
    return registry;
  }

  async remove(): Promise<void> {
    await this.service.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A call below /api/v1 that must answer with `status`. */
  async call<T = Record<string, unknown>>(path: string, status: number, options: CallOptions = {}): Promise<T> {
    const answer = await this.service.call<T>(`/api/v1${path}`, options);
    if (answer.status !== status) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  get<T = Record<string, unknown>>(path: string, status = 200): Promise<T> {
    return this.call<T>(path, status);
  }

  post<T = Record<string, unknown>>(path: string, json: unknown, status = 200): Promise<T> {
    return this.call<T>(path, status, { method: 'POST', json });
  }

  /** Status and code of a call that fails. */
  async refusal(path: string, options: CallOptions = {}): Promise<{ status: number; code: string; message: string }> {
    const { status, body } = await this.service.call<ErrorBody>(`/api/v1${path}`, options);
    return { status, code: body.error.code, message: body.error.message };
  }

  async adapter(name: string, options: TinyAdapter = {}): Promise<string> {
    return writeTinyAdapter(join(this.folder, name), options);
  }

  /** Pushes a fresh adapter from its folder. */
  async push(path: string, options: TinyAdapter & { trainedOn?: number | string } = {}): Promise<PushedRevisionDto> {
    const { trainedOn, ...adapter } = options;
    const folder = await this.adapter(`${path.replaceAll('/', '-')}-${adapter.seed ?? 1}`, adapter);
    const { body } = await this.pushFolder({ path, folder, trainedOn });
    return body;
  }

  pushFolder(json: object): Promise<Answer<PushedRevisionDto>> {
    return this.service.call<PushedRevisionDto>('/api/v1/revisions', { json });
  }

  async pushForm<T = PushedRevisionDto>(fields: Record<string, string>, folder: string): Promise<Answer<T>> {
    return this.service.call<T>('/api/v1/revisions', { method: 'POST', body: await formOf(fields, folder) });
  }
}

export async function formOf(fields: Record<string, string>, folder: string): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
    form.set(name, new Blob([await readFile(join(folder, name))]), name);
  }
  return form;
}

export async function writeTinyAdapter(
  folder: string,
  { seed = 1, rank = 2, config = {}, tensors = (all) => all }: TinyAdapter = {},
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const targets = tinyModules().filter(({ projection }) => projection === 'q_proj' || projection === 'down_proj');
  const all = targets.flatMap((module, i) => pair(module, rank, seed * 1000 + i));
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors(all));
  const whole = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'tiny',
    r: rank,
    lora_alpha: 4,
    target_modules: ['q_proj', 'down_proj'],
    bias: 'none',
    ...config,
  };
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(whole));
  return folder;
}

function pair({ name, inFeatures, outFeatures }: LinearModule, rank: number, seed: number): TensorToWrite[] {
  const key = `base_model.model.${name}`;
  return [
    { name: `${key}.lora_A.weight`, dtype: 'F32', shape: [rank, inFeatures], data: values(rank * inFeatures, seed) },
    { name: `${key}.lora_B.weight`, dtype: 'F32', shape: [outFeatures, rank], data: values(outFeatures * rank, -seed) },
  ];
}
