/** Commits as streams, each with what one caller may see and asks for. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import type { Caller } from '../../access/scope.js';
import { findNode, isVisible } from '../../registry/node-lookup.js';
import { RegistryEvents, type Committed } from '../../registry/registry-events.js';
import { TreeMirror } from '../../registry/tree-mirror.js';
import { ChangeStream } from './change-stream.js';

/** By the first word of the action. Changes of keys are nobody's to subscribe to. */
const KINDS = {
  tree: new Set(['model', 'node', 'redirect']),
  revision: new Set(['revision', 'head', 'alias']),
} as const;

export type ChangeKind = keyof typeof KINDS;

@Injectable()
export class VisibleChanges {
  constructor(
    private readonly events: RegistryEvents,
    private readonly mirror: TreeMirror,
  ) {}

  /** `under`: a node, by id or path; its changes, and those below it, wherever they move. Throws where it isn't found. */
  stream({ caller }: RequestContext, under: string | null, kind: ChangeKind): ChangeStream<Committed> {
    const top = under === null ? null : findNode(this.mirror.tree, under, caller).id;
    return new ChangeStream((push) =>
      this.events.subscribe((committed) => {
        if (!KINDS[kind].has(committed.action.split('.')[0] ?? '')) return;
        if (this.#lies(committed, caller) && this.#lies(committed, { subtree: top })) push(committed);
      }),
    );
  }

  /** A node that was deleted has left the tree, and its last path says where it was. */
  #lies({ nodeId, path }: Committed, within: Pick<Caller, 'subtree'>): boolean {
    const { tree } = this.mirror;
    if (within.subtree === null) return true;
    if (nodeId !== null && tree.node(nodeId)) return isVisible(tree, within, nodeId);
    if (nodeId === within.subtree) return true;
    return (
      path !== null && tree.node(within.subtree) !== undefined && path.startsWith(`${tree.pathOf(within.subtree)}/`)
    );
  }
}
