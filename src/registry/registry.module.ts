import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ApiKeys } from '../access/api-keys.js';
import { Database } from '../database/database.js';
import type { Listener } from '../database/driver.js';
import { LOGGER, type Logger } from '../logger.js';
import { AdapterReader } from './adapter-reader.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditService } from './audit/audit.service.js';
import { CHANGES_CHANNEL } from './audit-log.js';
import { BatchReads } from './batch-reads.js';
import { ChangeFeed } from './change-feed.js';
import { ChildPages } from './child-pages.js';
import { Demo } from './demo.js';
import { BlobGarbage } from './gc/blob-garbage.js';
import { GcController } from './gc/gc.controller.js';
import { GcService } from './gc/gc.service.js';
import { ModelGarbage } from './gc/model-garbage.js';
import { RevisionGarbage } from './gc/revision-garbage.js';
import { HeadsService } from './heads.service.js';
import { ImportFolders } from './import-folders.js';
import { sweepModels } from './importer/import-checkpoint.js';
import { KeysController } from './keys/keys.controller.js';
import { KeysService } from './keys/keys.service.js';
import { MirrorLoader } from './mirror-loader.js';
import { ModelsController } from './models.controller.js';
import { ModelFolders } from './model-folders.js';
import { ModelsService } from './models.service.js';
import { NodeChanges } from './node-changes.js';
import { NodeWalk } from './node-walk.js';
import { NodesController } from './nodes.controller.js';
import { NodesService } from './nodes.service.js';
import { PlacesController } from './places/places.controller.js';
import { RedirectsController } from './places/redirects.controller.js';
import { RedirectsService } from './places/redirects.service.js';
import { RemovalsService } from './places/removals.service.js';
import { PushSources } from './push-sources.js';
import { RegistryEvents } from './registry-events.js';
import { RegistryService } from './registry.service.js';
import { RegistryWrites } from './registry-writes.js';
import { ResolutionController } from './resolution.controller.js';
import { RevisionsController } from './revisions.controller.js';
import { RevisionsService } from './revisions.service.js';
import { ServingRecord } from './serving-record.js';
import { StagedBlobs } from './staged-blobs.js';
import { TreeMirror } from './tree-mirror.js';
import { UnreferencedBlobs } from './unreferenced-blobs.js';

@Module({
  controllers: [
    AuditController,
    GcController,
    KeysController,
    ModelsController,
    NodesController,
    PlacesController,
    RedirectsController,
    RevisionsController,
    ResolutionController,
  ],
  providers: [
    AdapterReader,
    AuditService,
    BlobGarbage,
    BatchReads,
    ChangeFeed,
    ChildPages,
    Demo,
    GcService,
    HeadsService,
    ImportFolders,
    KeysService,
    MirrorLoader,
    ModelFolders,
    ModelGarbage,
    ModelsService,
    NodeChanges,
    NodesService,
    NodeWalk,
    PushSources,
    RedirectsService,
    RegistryEvents,
    RegistryService,
    RegistryWrites,
    RemovalsService,
    RevisionGarbage,
    RevisionsService,
    ServingRecord,
    StagedBlobs,
    TreeMirror,
    UnreferencedBlobs,
  ],
  exports: [
    AuditService,
    BatchReads,
    ChildPages,
    GcService,
    HeadsService,
    KeysService,
    ModelsService,
    NodesService,
    PushSources,
    RedirectsService,
    RegistryEvents,
    RegistryService,
    RemovalsService,
    RevisionsService,
    ServingRecord,
    TreeMirror,
  ],
})
export class RegistryModule implements OnModuleInit, OnApplicationShutdown {
  #listener: Listener | null = null;

  constructor(
    private readonly loader: MirrorLoader,
    private readonly demo: Demo,
    private readonly folders: ModelFolders,
    private readonly database: Database,
    private readonly writes: RegistryWrites,
    private readonly events: RegistryEvents,
    private readonly keys: ApiKeys,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Before the server listens: the first request finds the whole tree. */
  async onModuleInit(): Promise<void> {
    await sweepModels(this.folders.root);
    await this.loader.load();
    this.#listener = this.database.listen(CHANGES_CHANNEL, (sequence) => {
      this.writes.catchUp(sequence === null ? null : BigInt(sequence)).catch((error: unknown) => {
        this.logger.warn({ err: error }, 'changes of other instances could not be read yet');
      });
    });
    this.events.subscribe(({ changed }) => {
      if (changed.keys) this.keys.refreshSoon();
    });
    await this.demo.importIntoEmpty();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#listener?.close();
  }
}
