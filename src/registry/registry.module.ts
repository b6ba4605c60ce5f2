import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { join } from 'node:path';
import { CONFIG, type Config } from '../config.js';
import { AdapterReader } from './adapter-reader.js';
import { Demo } from './demo.js';
import { HeadsService } from './heads.service.js';
import { ImportFolders } from './import-folders.js';
import { sweepModels } from './importer/import-checkpoint.js';
import { MirrorLoader } from './mirror-loader.js';
import { ModelsController } from './models.controller.js';
import { MODELS_FOLDER, ModelsService } from './models.service.js';
import { NodeWalk } from './node-walk.js';
import { NodesController } from './nodes.controller.js';
import { NodesService } from './nodes.service.js';
import { PushSources } from './push-sources.js';
import { RegistryService } from './registry.service.js';
import { RegistryWrites } from './registry-writes.js';
import { ResolutionController } from './resolution.controller.js';
import { RevisionsController } from './revisions.controller.js';
import { RevisionsService } from './revisions.service.js';
import { ServingRecord } from './serving-record.js';
import { StagedBlobs } from './staged-blobs.js';
import { TreeMirror } from './tree-mirror.js';

@Module({
  controllers: [ModelsController, NodesController, RevisionsController, ResolutionController],
  providers: [
    AdapterReader,
    Demo,
    HeadsService,
    ImportFolders,
    MirrorLoader,
    ModelsService,
    NodesService,
    NodeWalk,
    PushSources,
    RegistryService,
    RegistryWrites,
    RevisionsService,
    ServingRecord,
    StagedBlobs,
    TreeMirror,
  ],
  exports: [RegistryService],
})
export class RegistryModule implements OnModuleInit {
  constructor(
    private readonly loader: MirrorLoader,
    private readonly demo: Demo,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Before the server listens: the first request finds the whole tree. */
  async onModuleInit(): Promise<void> {
    await sweepModels(join(this.config.dataFolder, MODELS_FOLDER));
    await this.loader.load();
    await this.demo.importIntoEmpty();
  }
}
