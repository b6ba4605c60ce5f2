/** Gathers what the resolvers of one operation ask for one by one, and reads it together. */
import DataLoader from 'dataloader';
import type { RequestContext } from '../access/request-context.js';
import type { BatchReads } from '../registry/batch-reads.js';
import type { AliasDto } from '../registry/aliases/alias.dto.js';
import type { NodeDto } from '../registry/dto/node.dto.js';
import type { RevisionDto } from '../registry/dto/revision.dto.js';

export class Loaders {
  /** Null: not there, or not for this caller. */
  readonly nodes: DataLoader<string, NodeDto | null>;
  readonly revisions: DataLoader<string, RevisionDto | null>;
  /** Of revisions, by their ids. */
  readonly cards: DataLoader<string, string | null>;
  /** By id of the node. */
  readonly aliases: DataLoader<string, AliasDto[]>;

  /** `remember`: for operations that end soon; on a subscription, what was read once may have changed. */
  constructor(reads: BatchReads, context: RequestContext, { remember }: { remember: boolean }) {
    const options = { cache: remember };
    this.nodes = new DataLoader((ids) => reads.nodes(context, ids), options);
    this.aliases = new DataLoader((ids) => reads.aliases(context, ids), options);
    this.cards = new DataLoader((ids) => reads.cards(context, ids), options);
    this.revisions = new DataLoader((ids) => reads.revisions(context, ids), options);
  }
}
