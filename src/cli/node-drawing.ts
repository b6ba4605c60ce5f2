/** A node as a list of facts. */
import type { NodeDto } from '../registry/dto/node.dto.js';
import { columns, harmless, type Terminal } from './terminal.js';
import { shortTime } from './times.js';

export function drawNode(node: NodeDto, paint: Terminal['paint']): string {
  const { head, aliases, tags, description } = node;
  const marks = [
    node.disabled ? paint('red', 'disabled') : '',
    node.archived ? paint('dim', 'archived') : '',
    node.stale ? paint('yellow', 'stale') : '',
    node.pinned ? paint('green', 'in memory') : '',
    node.detached ? paint('yellow', 'detached') : '',
  ].filter((mark) => mark !== '');
  return columns([
    ['path', paint('bold', node.path)],
    ['id', node.id],
    ...(description === '' ? [] : [['description', harmless(description)]]),
    ...(tags.length === 0 ? [] : [['tags', tags.join(', ')]]),
    ...(marks.length === 0 ? [] : [['state', marks.join(', ')]]),
    ['policy', node.policy === 'follow' ? 'follows the head of its parent' : 'pinned'],
    ['head', head ? `@${head.number} of ${node.revisions}, rank ${head.rank}, ${head.digest.slice(0, 12)}` : 'none'],
    ...aliases.map((alias) => ['alias', `${alias.name} → @${alias.revision}${alias.protected ? ', protected' : ''}`]),
    ['children', String(node.children)],
    ['version', String(node.version)],
    ['created, changed', `${shortTime(node.createdAt)}, ${shortTime(node.updatedAt)}`],
  ]);
}
