/** Old paths of nodes that moved: listed, and dropped where the name is wanted for another. */
import { Injectable } from '@nestjs/common';
import type { RequestContext } from '../../access/request-context.js';
import type { Caller } from '../../access/scope.js';
import { Database } from '../../database/database.js';
import type { Redirect } from '../../database/generated/client.js';
import { RedirectNotFoundError } from '../../errors/paths.js';
import { cursorKey, toPage, type Page } from '../dto/page.js';
import { findNode, isVisible } from '../node-lookup.js';
import { RegistryWrites } from '../registry-writes.js';
import { TreeMirror } from '../tree-mirror.js';
import type { ListRedirects, RedirectDto } from './redirect.dto.js';
import { redirectsUnder } from './redirect-rows.js';

const ID = /^[0-9A-Z]{26}$/;

@Injectable()
export class RedirectsService {
  constructor(
    private readonly database: Database,
    private readonly mirror: TreeMirror,
    private readonly writes: RegistryWrites,
  ) {}

  /** The oldest first. Which of them lie where the caller looks, the tree alone can tell. */
  async list({ caller }: RequestContext, { under, limit, cursor }: ListRedirects): Promise<Page<RedirectDto>> {
    const { tree } = this.mirror;
    const top = under === undefined ? caller.subtree : findNode(tree, under, caller).id;
    const found: Redirect[] = [];
    for (let last = cursorKey(cursor, ID); found.length <= limit;) {
      const rows = await this.database.client.redirect.findMany({
        where: last === null ? {} : { id: { gt: last } },
        orderBy: { id: 'asc' },
        take: limit + 1,
      });
      found.push(...rows.filter(({ parentId }) => isVisible(tree, { subtree: top }, parentId) && tree.node(parentId)));
      last = rows.at(-1)?.id ?? null;
      if (rows.length <= limit) break;
    }
    return toPage(
      found,
      limit,
      ({ id }) => id,
      (row) => this.#view(row, caller),
    );
  }

  /** The old path is nobody's then. */
  async drop(context: RequestContext, id: string): Promise<void> {
    await this.writes.commit(context, async (transaction) => {
      const { tree } = this.mirror;
      const row = ID.test(id) ? await transaction.redirect.findUnique({ where: { id } }) : null;
      if (!row || !isVisible(tree, context.caller, row.parentId)) throw new RedirectNotFoundError(id);
      await transaction.redirect.delete({ where: { id } });
      const { parentId, name, nodeId } = row;
      const before = { redirect: name, node: nodeId };
      return {
        result: undefined,
        change: { redirects: await redirectsUnder(transaction, [parentId]) },
        audit: [{ action: 'redirect.drop', nodeId: parentId, path: tree.pathOf(parentId), before, after: null }],
      };
    });
  }

  #view({ id, parentId, name, nodeId, createdAt }: Redirect, caller: Caller): RedirectDto {
    const { tree } = this.mirror;
    const isShown = tree.node(nodeId) !== undefined && isVisible(tree, caller, nodeId);
    return {
      id,
      path: `${tree.pathOf(parentId)}/${name}`,
      node: isShown ? { id: nodeId, path: tree.pathOf(nodeId) } : null,
      createdAt: createdAt.toISOString(),
    };
  }
}
