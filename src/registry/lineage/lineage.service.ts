/** The lineage of a subtree, for those who keep or draw it elsewhere. */
import { Injectable } from '@nestjs/common';
import { Readable } from 'node:stream';
import type { RequestContext } from '../../access/request-context.js';
import { Database } from '../../database/database.js';
import { LineageTooLargeError } from '../../errors/exports.js';
import { ModelNotImportedError } from '../../errors/models.js';
import { lineageOf, type Lineage, type LineageNode } from '../../tree/lineage.js';
import { toDot } from '../../tree/lineage-dot.js';
import { findNode, isVisible } from '../node-lookup.js';
import type { RegisteredModel } from '../registered-model.js';
import { TreeMirror } from '../tree-mirror.js';
import { GexfWriter } from './gexf-writer.js';
import type { LineageDto, LineageFormat, LineageQuery } from './lineage.dto.js';
import { hubIdOf, toModelCard } from './model-card.js';

/** It is taken in one go, at some microseconds a node. */
const MAX_NODES = 20_000;
/** Nodes whose rows are read at once. */
const BATCH = 500;
const PIECE_CHARS = 64 * 1024;

/** A lineage as a file. */
export interface LineageFile {
  type: string;
  name: string;
  body: Readable;
}

interface Taken {
  lineage: Lineage;
  path: string;
  model: RegisteredModel;
  /** The whole model is the caller's to see. */
  isModelShown: boolean;
}

@Injectable()
export class LineageService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly gexf: GexfWriter,
  ) {}

  get(context: RequestContext, node: string): LineageDto {
    const { lineage, path, model, isModelShown } = this.#take(context, node, 'json');
    return { node: path, model: { name: model.name, digest: isModelShown ? model.digest : null }, ...lineage };
  }

  async file(
    context: RequestContext,
    { node, format }: LineageQuery & { format: Exclude<LineageFormat, 'json'> },
  ): Promise<LineageFile> {
    const taken = this.#take(context, node, format);
    const name = taken.path.replaceAll('/', '-');
    switch (format) {
      case 'gexf':
        return {
          type: 'application/gexf+xml',
          name: `${name}.gexf`,
          body: Readable.from([await this.gexf.write(taken.lineage)]),
        };
      case 'dot':
        return { type: 'text/vnd.graphviz', name: `${name}.dot`, body: Readable.from(inPieces(toDot(taken.lineage))) };
      case 'hf':
        return { type: 'application/yaml', name: `${name}.yaml`, body: Readable.from(inPieces(this.#cards(taken))) };
    }
  }

  #take({ caller }: RequestContext, idOrPath: string, format: LineageFormat): Taken {
    const { tree } = this.mirror;
    const { id, modelId } = findNode(tree, idOrPath, caller);
    const path = tree.pathOf(id);
    const model = this.mirror.model(modelId);
    if (!model) throw new ModelNotImportedError(path, []);
    const lineage = lineageOf(tree, id, MAX_NODES);
    if (!lineage) throw new LineageTooLargeError(path, format, MAX_NODES);
    return { lineage, path, model, isModelShown: isVisible(tree, caller, model.rootNodeId) };
  }

  /** Of the nodes that serve an adapter. */
  async *#cards({ lineage, model, isModelShown }: Taken): AsyncGenerator<string> {
    const base = (isModelShown ? hubIdOf(model.origins) : undefined) ?? model.name;
    const paths = new Map(lineage.nodes.map(({ id, path }) => [id, path]));
    const edges = new Map(lineage.edges.map((edge) => [edge.child, edge]));
    for (let i = 0; i < lineage.nodes.length; i += BATCH) {
      const nodes = lineage.nodes.slice(i, i + BATCH);
      const tags = await this.#tagsOf(nodes);
      for (const { id, path, head, revisions } of nodes) {
        const revision = revisions.find(({ number }) => number === head);
        if (!revision) continue;
        const { parent, trainedOn } = edges.get(id) ?? { parent: '', trainedOn: null };
        const parentPath = paths.get(parent);
        yield toModelCard({
          base,
          path,
          revision: revision.number,
          digest: revision.digest,
          on: parentPath === undefined || trainedOn === null ? null : { path: parentPath, revision: trainedOn },
          tags: tags.get(id) ?? [],
        });
      }
    }
  }

  async #tagsOf(nodes: readonly LineageNode[]): Promise<Map<string, string[]>> {
    const rows = await this.database.client.node.findMany({
      where: { id: { in: nodes.map(({ id }) => id) } },
      select: { id: true, tags: true },
    });
    return new Map(rows.map(({ id, tags }) => [id, tags]));
  }
}

/** Texts joined to what is worth sending. */
async function* inPieces(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  let piece = '';
  for await (const text of texts) {
    piece += text;
    if (piece.length < PIECE_CHARS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
