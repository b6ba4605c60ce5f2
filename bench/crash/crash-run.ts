/**
 * Rounds of writing, dying and looking: several clients change the registry and one collects garbage, the service is
 * killed at a random moment, now and then also within its start, and afterwards everything that was acknowledged has to
 * be there, nothing half-done may be, and the audit log has to tell the same story.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import { writeRandomAdapter } from '../support/random-adapter.js';
import { writeRandomModel } from '../support/random-model.js';
import { RandomNumbers } from '../support/random-numbers.js';
import { checkBlobs, checkGarbage, replayAudit } from './checks.js';
import { CrashClient, type AdapterForms } from './client.js';
import { CrashingService } from './crashing-service.js';
import { GarbageClient } from './garbage-client.js';
import { createDatabase } from './test-database.js';

export interface CrashOptions {
  rounds: number;
  clients: number;
  seed: number;
  /** The built service's main.js. */
  main: string;
  /** A server on which databases may be made; without one, the embedded database. */
  postgres: string | undefined;
  progress?: (line: string) => void;
}

export interface CrashSummary {
  rounds: number;
  kills: number;
  killsDuringStart: number;
  /** By kind. */
  acknowledged: Record<string, number>;
  refused: Record<string, number>;
  /** Requests that were open when the service died. */
  open: { happened: number; didNot: number };
  auditEntries: number;
  /** What was lost, half-done or told otherwise: nothing may be. */
  problems: string[];
}

const SHAPE = { name: 'crash', hidden: 8, intermediate: 8, layers: 1, heads: 2, kvHeads: 1, headDim: 4, vocab: 8 };
const ADAPTERS = 24;
/** After how many changes it dies at the most, and how much later. */
const MOST_CHANGES = 60;
const LATER_MS = 100;
/** Of a machine that is too slow for them. */
const STORM_LIMIT_MS = 20_000;
const DIES_IN_START_MS = 2_500;
/** One of so many starts is a death. */
const STARTS_PER_DEATH = 5;

export async function runCrashes(options: CrashOptions): Promise<CrashSummary> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier crash '));
  const database = await createDatabase(options.postgres);
  const service = new CrashingService({
    main: options.main,
    dataFolder: join(folder, 'data'),
    importRoot: folder,
    databaseUrl: database?.url ?? null,
  });
  try {
    return await new CrashRun(service, options).run(folder);
  } catch (error) {
    throw new Error(`The crash test itself failed. The service's log ends in:\n${service.log}`, { cause: error });
  } finally {
    await service.kill();
    await database?.drop();
    await rm(folder, { recursive: true, force: true });
  }
}

class CrashRun {
  readonly #service: CrashingService;
  readonly #options: CrashOptions;
  readonly #random: RandomNumbers;
  readonly #clients: CrashClient[] = [];
  readonly #garbage: GarbageClient;
  readonly #summary: CrashSummary;

  constructor(service: CrashingService, options: CrashOptions) {
    this.#service = service;
    this.#options = options;
    this.#random = new RandomNumbers(options.seed);
    this.#garbage = new GarbageClient(new RandomNumbers(options.seed + 1));
    this.#summary = {
      rounds: 0,
      kills: 0,
      killsDuringStart: 0,
      acknowledged: {},
      refused: {},
      open: { happened: 0, didNot: 0 },
      auditEntries: 0,
      problems: [],
    };
  }

  /** `folder`: for models and adapters. */
  async run(folder: string): Promise<CrashSummary> {
    const { rounds, progress = () => undefined } = this.#options;
    await this.#service.start();
    await this.#prepare(folder);
    while (this.#summary.rounds < rounds && this.#summary.problems.length === 0) {
      await this.#storm(this.#random.below(MOST_CHANGES), this.#random.below(LATER_MS));
      await this.#restart();
      await this.#check();
      this.#summary.rounds++;
      progress(
        `round ${this.#summary.rounds}: ${this.#acknowledged()} changes acknowledged, ${this.#summary.problems.length} problems`,
      );
    }
    return this.#sum();
  }

  async #prepare(folder: string): Promise<void> {
    const { clients, seed } = this.#options;
    const { config } = await writeRandomModel(join(folder, 'model'), SHAPE, 16);
    const adapters: AdapterForms = await Promise.all(
      Array.from({ length: ADAPTERS }, async (_, i) => {
        const files = await writeRandomAdapter(join(folder, `adapter-${i}`), config, 1, i + 1);
        return {
          'adapter_config.json': new Blob([await readFile(files.configFile)]),
          'adapter_model.safetensors': new Blob([await readFile(files.weightsFile)]),
        };
      }),
    );
    await this.#service.post('/models', { name: 'crash', folder: join(folder, 'model') });
    for (let i = 0; i < clients; i++) {
      const top = await this.#service.post<NodeDto>('/nodes', { path: `crash/c${i}` });
      let last = 0;
      const draw = { random: new RandomNumbers(seed * 1000 + i), fresh: () => ++last };
      this.#clients.push(new CrashClient(top, `client-${i}`, adapters, draw));
    }
  }

  async #storm(changes: number, laterMs: number): Promise<void> {
    const enough = this.#acknowledged() + changes;
    const limit = Date.now() + STORM_LIMIT_MS;
    const writing = [...this.#clients, this.#garbage].map((client) => client.storm(this.#service));
    while (this.#acknowledged() < enough && Date.now() < limit) await sleep(1);
    await sleep(laterMs);
    await this.#service.kill();
    this.#summary.kills++;
    await Promise.all(writing);
  }

  async #restart(): Promise<void> {
    while (this.#random.below(STARTS_PER_DEATH) === 0) {
      await this.#service.startAndDie(this.#random.below(DIES_IN_START_MS));
      this.#summary.kills++;
      this.#summary.killsDuringStart++;
    }
    await this.#service.start();
  }

  async #check(): Promise<void> {
    const { problems } = this.#summary;
    const revisionIds: string[] = [];
    for (const client of this.#clients) revisionIds.push(...(await client.check(this.#service)).revisionIds);
    const replay = await replayAudit(this.#service);
    for (const client of this.#clients) client.checkRequests(replay.requestIds);
    for (const id of this.#garbage.acknowledged) {
      if (!replay.requestIds.has(id)) problems.push(`no entry for the garbage collection of request ${id}`);
    }
    const blobs = await checkBlobs(this.#service, revisionIds);
    problems.push(
      ...this.#clients.flatMap((client) => client.problems),
      ...this.#garbage.problems,
      ...replay.problems,
      ...blobs.problems,
      ...(await checkGarbage(this.#service, blobs.needed)),
    );
    this.#summary.auditEntries = replay.sequence;
  }

  #acknowledged(): number {
    return this.#clients.reduce((sum, client) => sum + client.acknowledged.length, this.#garbage.acknowledged.length);
  }

  #sum(): CrashSummary {
    const { acknowledged, refused, open } = this.#summary;
    for (const client of this.#clients) {
      for (const { kind } of client.acknowledged) {
        if (kind !== 'open') acknowledged[kind] = (acknowledged[kind] ?? 0) + 1;
      }
      for (const [code, count] of client.refused) refused[code] = (refused[code] ?? 0) + count;
      open.happened += client.open.happened;
      open.didNot += client.open.didNot;
    }
    acknowledged['gc'] = this.#garbage.acknowledged.length;
    return this.#summary;
  }
}
