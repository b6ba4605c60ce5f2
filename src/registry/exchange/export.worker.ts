/**
 * Exports a path in a thread of its own. The config is the task's answer. The weights go through a port, a piece for each
 * message that asks for one, so that a slow reader holds up nobody, and a closed port ends it.
 */
import type { MessagePort } from 'node:worker_threads';
import { EspalierError, reasonsOf, type ErrorShape } from '../../errors/espalier-error.js';
import { InternalError } from '../../errors/requests.js';
import type { AdapterBase } from '../../formats/peft/open-adapter.js';
import { PathExport, type ExportStep } from '../../formats/peft/path-export.js';

export interface ExportTask {
  steps: readonly ExportStep[];
  base: AdapterBase;
  pathDigest: string;
  /** What adapter_config.json gives as its base. */
  baseModel: string;
  /** Where the weights go; null: the config is asked for. */
  port: MessagePort | null;
}

export type ExportMessage =
  /** The first: all is open, and this is the size of the file. */
  { bytes: number } | { piece: Uint8Array<ArrayBuffer> } | { end: true } | Failure;

/** An error's class and fields don't survive the way between threads; its shape does. `reason` is for the log. */
interface Failure {
  error: ErrorShape;
  reason: string;
}

export type ExportAnswer = { config: string } | Failure | null;

export default async function exportPath(task: ExportTask): Promise<ExportAnswer> {
  const { port } = task;
  if (port === null) return config(task);
  try {
    await sendWeights(task, port);
  } catch (error) {
    port.postMessage(failure(error) satisfies ExportMessage);
  } finally {
    port.close();
  }
  return null;
}

async function config({ steps, base, pathDigest, baseModel }: ExportTask): Promise<ExportAnswer> {
  try {
    const path = await PathExport.open(steps, base, pathDigest);
    await path.close();
    return { config: path.config(baseModel) };
  } catch (error) {
    return failure(error);
  }
}

async function sendWeights({ steps, base, pathDigest }: ExportTask, port: MessagePort): Promise<void> {
  const demand = new Demand(port);
  const path = await PathExport.open(steps, base, pathDigest);
  try {
    port.postMessage({ bytes: path.weightsBytes } satisfies ExportMessage);
    for await (const piece of path.weights()) {
      if (!(await demand.next())) return;
      port.postMessage({ piece } satisfies ExportMessage, [piece.buffer]);
    }
    if (await demand.next()) port.postMessage({ end: true } satisfies ExportMessage);
  } finally {
    await path.close();
  }
}

/** What the other side has asked for and not got yet. */
class Demand {
  #asked = 0;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(port: MessagePort) {
    port.on('message', () => {
      this.#asked++;
      this.#wake?.();
    });
    port.once('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  /** Waits until a piece is asked for; false where nobody will ask any more. */
  async next(): Promise<boolean> {
    while (this.#asked === 0 && !this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#asked--;
    return !this.#closed;
  }
}

function failure(error: unknown): Failure {
  const told = error instanceof EspalierError ? error : new InternalError('', error);
  return { error: told.toShape(), reason: reasonsOf(error) };
}
