/**
 * Tells the engine which adapters are to stay in host memory: those of the heads of pinned nodes.
 *
 * It looks after every commit, here or elsewhere, and now and then, because a file that could not be fetched may be
 * there later. The engine is told the whole set of a base, and only when that is another; it is known by base digest, for
 * one checkpoint may be imported under two names.
 */
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ENGINE, type EngineClient } from '../../engine/engine-client.js';
import type { AdapterUse } from '../../engine/protocol.js';
import { LOGGER, type Logger } from '../../logger.js';
import { RecurringLook } from '../recurring-look.js';
import { RegistryEvents } from '../registry-events.js';
import { RegistryService } from '../registry.service.js';
import { TreeMirror } from '../tree-mirror.js';
import { pinnedHeads, type PinnedHead } from './pinned-heads.js';

const LOOK_EVERY_MS = 30_000;

@Injectable()
export class PinnedNodes implements OnApplicationBootstrap, OnApplicationShutdown {
  /** What the engine was told last, by base digest. */
  readonly #told = new Map<string, string>();
  /** Where their files were last, by revision: one that can't be looked for now may well be in memory. */
  #uses = new Map<string, AdapterUse>();
  #stop: (() => void) | null = null;
  readonly #looks = new RecurringLook(
    LOOK_EVERY_MS,
    () => this.#tell(),
    (error) => this.logger.error({ err: error }, 'pinned nodes could not be looked after'),
  );

  constructor(
    private readonly mirror: TreeMirror,
    private readonly registry: RegistryService,
    private readonly events: RegistryEvents,
    @Inject(ENGINE) private readonly engine: EngineClient,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.#stop = this.events.subscribe(() => this.#looks.soon());
    this.#looks.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.#stop?.();
    await this.#looks.stop();
  }

  async #tell(): Promise<void> {
    const wanted = new Map<string, Map<string, AdapterUse>>();
    const found = new Map<string, AdapterUse>();
    for (const head of pinnedHeads(this.mirror.tree.pinnedNodes)) {
      const use = await this.#use(head);
      if (this.#looks.stopped) return;
      if (use === null) continue;
      found.set(head.revision.id, use);
      const { digest } = this.registry.model(head.modelId);
      const uses = wanted.get(digest) ?? new Map<string, AdapterUse>();
      wanted.set(digest, uses.set(use.digest, use));
    }
    this.#uses = found;
    for (const digest of this.#told.keys()) if (!wanted.has(digest)) wanted.set(digest, new Map());
    for (const [digest, uses] of wanted) {
      const adapters = [...uses.values()];
      const told = JSON.stringify(adapters);
      if (this.#told.get(digest) === told) continue;
      this.engine.pin(digest, adapters);
      if (adapters.length === 0) this.#told.delete(digest);
      else this.#told.set(digest, told);
    }
  }

  /** Null: its files can't be had, and never could. */
  async #use({ nodeId, revision }: PinnedHead): Promise<AdapterUse | null> {
    try {
      return await this.registry.adapterUse(revision, 1);
    } catch (error) {
      this.logger.error(
        { err: error, nodeId, revision: revision.id },
        'the head of a pinned node could not be fetched',
      );
      return this.#uses.get(revision.id) ?? null;
    }
  }
}
