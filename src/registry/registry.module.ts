import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ApiKeys } from '../access/api-keys.js';
import { Database } from '../database/database.js';
import type { Listener } from '../database/driver.js';
import { LOGGER, type Logger } from '../logger.js';
import { AdapterReader } from './adapter-reader.js';
import { AliasesController } from './aliases/aliases.controller.js';
import { AliasesService } from './aliases/aliases.service.js';
import { AuditController } from './audit/audit.controller.js';
import { AuditService } from './audit/audit.service.js';
import { CHANGES_CHANNEL } from './audit-log.js';
import { BatchReads } from './batch-reads.js';
import { ChangeFeed } from './change-feed.js';
import { ChildPages } from './child-pages.js';
import { Demo } from './demo.js';
import { HubSource } from './exchange/hub-source.js';
import { BlobGarbage } from './gc/blob-garbage.js';
import { GcController } from './gc/gc.controller.js';
import { GcService } from './gc/gc.service.js';
import { ModelGarbage } from './gc/model-garbage.js';
import { RevisionGarbage } from './gc/revision-garbage.js';
import { HeadsService } from './heads.service.js';
import { HistoryController } from './history/history.controller.js';
import { HistoryService } from './history/history.service.js';
import { ImportFolders } from './import-folders.js';
import { sweepModels } from './importer/import-checkpoint.js';
import { Quantizer } from './importer/quantizer.js';
import { KeysController } from './keys/keys.controller.js';
import { KeysService } from './keys/keys.service.js';
import { GexfWriter } from './lineage/gexf-writer.js';
import { LineageController } from './lineage/lineage.controller.js';
import { LineageService } from './lineage/lineage.service.js';
import { MergedPaths } from './merges/merged-paths.js';
import { MergesController } from './merges/merges.controller.js';
import { MergesService } from './merges/merges.service.js';
import { PathTraffic } from './merges/path-traffic.js';
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
import { PinnedNodes } from './pins/pinned-nodes.js';
import { PinsController } from './pins/pins.controller.js';
import { PinsService } from './pins/pins.service.js';
import { PushSources } from './push-sources.js';
import { RecallController } from './recall/recall.controller.js';
import { RecallService } from './recall/recall.service.js';
import { RegistryEvents } from './registry-events.js';
import { RegistryService } from './registry.service.js';
import { RegistryWrites } from './registry-writes.js';
import { RepinController } from './repin/repin.controller.js';
import { RepinService } from './repin/repin.service.js';
import { ResolutionController } from './resolution.controller.js';
import { RevisionsController } from './revisions.controller.js';
import { RevisionsService } from './revisions.service.js';
import { RevisionTagsService } from './revision-tags.service.js';
import { ServingRecord } from './serving-record.js';
import { StagedBlobs } from './staged-blobs.js';
import { StaleController } from './stale/stale.controller.js';
import { StaleService } from './stale/stale.service.js';
import { TreeMirror } from './tree-mirror.js';
import { UnreferencedBlobs } from './unreferenced-blobs.js';

@Module({
  controllers: [
    AliasesController,
    AuditController,
    GcController,
    HistoryController,
    KeysController,
    LineageController,
    MergesController,
    ModelsController,
    NodesController,
    PinsController,
    PlacesController,
    RecallController,
    RedirectsController,
    RepinController,
    RevisionsController,
    ResolutionController,
    StaleController,
  ],
  providers: [
    AdapterReader,
    AliasesService,
    AuditService,
    BatchReads,
    BlobGarbage,
    ChangeFeed,
    ChildPages,
    Demo,
    GcService,
    GexfWriter,
    HeadsService,
    HistoryService,
    HubSource,
    ImportFolders,
    KeysService,
    LineageService,
    MergedPaths,
    MergesService,
    MirrorLoader,
    ModelFolders,
    ModelGarbage,
    ModelsService,
    NodeChanges,
    NodesService,
    NodeWalk,
    PathTraffic,
    PinnedNodes,
    PinsService,
    PushSources,
    Quantizer,
    RecallService,
    RedirectsService,
    RegistryEvents,
    RegistryService,
    RegistryWrites,
    RemovalsService,
    RepinService,
    RevisionGarbage,
    RevisionsService,
    RevisionTagsService,
    ServingRecord,
    StagedBlobs,
    StaleService,
    TreeMirror,
    UnreferencedBlobs,
  ],
  exports: [
    AliasesService,
    AuditService,
    BatchReads,
    ChildPages,
    GcService,
    HeadsService,
    HistoryService,
    KeysService,
    LineageService,
    MergesService,
    ModelsService,
    NodesService,
    PathTraffic,
    PinsService,
    PushSources,
    RecallService,
    RedirectsService,
    RegistryEvents,
    RegistryService,
    RemovalsService,
    RepinService,
    RevisionsService,
    RevisionTagsService,
    ServingRecord,
    StaleService,
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
