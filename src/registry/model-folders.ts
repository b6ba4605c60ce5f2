/** Where imported checkpoints lie: a folder each, named by base digest. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';

@Injectable()
export class ModelFolders {
  /** Absolute. */
  readonly root: string;

  constructor(@Inject(CONFIG) config: Config) {
    this.root = config.modelsFolder;
  }
}
