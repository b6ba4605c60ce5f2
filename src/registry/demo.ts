/**
 * Fills an empty registry with the demo tree at the first start, through the same services as any other import. A note in
 * the data folder lives as long as that takes, so that a start which was cut off is made up for by the next one.
 */
import { Inject, Injectable } from '@nestjs/common';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { SYSTEM } from '../access/request-context.js';
import { CONFIG, type Config } from '../config.js';
import { isMissingFile } from '../errors/files.js';
import { LOGGER, type Logger } from '../logger.js';
import { EXAMPLES } from './import-folders.js';
import { ModelsService } from './models.service.js';
import { PushSources } from './push-sources.js';
import { RevisionsService } from './revisions.service.js';
import { TreeMirror } from './tree-mirror.js';

const MANIFEST = join(EXAMPLES, 'storyteller', 'tree.json');

/** Folders are relative to the manifest; nodes come after their parents. */
const manifestSchema = z.strictObject({
  model: z.strictObject({ name: z.string(), folder: z.string() }),
  nodes: z.array(z.strictObject({ path: z.string(), folder: z.string(), message: z.string().optional() })),
});

@Injectable()
export class Demo {
  readonly #note: string;

  constructor(
    private readonly mirror: TreeMirror,
    private readonly models: ModelsService,
    private readonly revisions: RevisionsService,
    private readonly sources: PushSources,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.#note = join(config.dataFolder, 'demo-import');
  }

  /** The service is of use without the demo, so what goes wrong here is logged, and the start goes on. */
  async importIntoEmpty(): Promise<void> {
    if (!this.config.demo || (this.mirror.tree.size.models > 0 && !(await this.#wasCutOff()))) return;
    try {
      await mkdir(this.config.dataFolder, { recursive: true });
      await writeFile(this.#note, 'The demo tree is being imported.\n');
      await this.#import();
      await rm(this.#note, { force: true });
    } catch (error) {
      this.logger.error({ err: error }, 'the demo tree could not be imported');
    }
  }

  async #import(): Promise<void> {
    const { model, nodes } = manifestSchema.parse(JSON.parse(await readFile(MANIFEST, 'utf8')));
    const at = (folder: string) => join(dirname(MANIFEST), folder);
    await this.models.import(SYSTEM, { name: model.name, folder: at(model.folder), link: false });
    for (const { path, folder, message } of nodes) {
      // Named, since it is known: each was trained on its parent as it is here.
      const parent = this.mirror.tree.find(path.slice(0, path.lastIndexOf('/')));
      const trainedOn = parent.headId ?? undefined;
      await this.revisions.push(SYSTEM, this.sources.ofFolder({ path, folder: at(folder), trainedOn, message }));
    }
    this.logger.info({ model: model.name, nodes: nodes.length }, 'demo tree imported');
  }

  async #wasCutOff(): Promise<boolean> {
    try {
      await access(this.#note);
      return true;
    } catch (error) {
      if (isMissingFile(error)) return false;
      throw error;
    }
  }
}
