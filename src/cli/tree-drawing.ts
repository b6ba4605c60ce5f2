/** A tree of nodes with box characters: heads, aliases, what is stale, followed, disabled, archived, pinned in memory or detached. */
import type { NodeDto } from '../registry/dto/node.dto.js';
import { columns, type Terminal } from './terminal.js';

/** `nodes` may come in any order; those whose parent isn't among them are drawn as roots. */
export function drawTree(nodes: readonly NodeDto[], paint: Terminal['paint']): string {
  const paths = new Set(nodes.map(({ path }) => path));
  const children = new Map<string | null, NodeDto[]>();
  for (const node of nodes.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const parent = node.parent !== null && paths.has(node.parent) ? node.parent : null;
    const siblings = children.get(parent);
    if (siblings) siblings.push(node);
    else children.set(parent, [node]);
  }

  const rows: string[][] = [];
  const draw = (node: NodeDto, label: string, own: string, below: string): void => {
    rows.push([paint('dim', own) + paint('bold', label), ...facts(node, paint)]);
    const under = children.get(node.path) ?? [];
    under.forEach((child, i) => {
      const last = i === under.length - 1;
      draw(child, child.name, `${below}${last ? '└── ' : '├── '}`, `${below}${last ? '    ' : '│   '}`);
    });
  };
  for (const root of children.get(null) ?? []) draw(root, root.path, '', '');
  return columns(rows);
}

function facts(node: NodeDto, paint: Terminal['paint']): [head: string, rank: string, marks: string] {
  const marks = [
    ...node.aliases.map(({ name, revision }) => paint('green', `${name}=@${revision}`)),
    node.disabled ? paint('red', 'disabled') : '',
    node.archived ? paint('dim', 'archived') : '',
    node.stale ? paint('yellow', 'stale') : '',
    node.pinned ? paint('green', 'in memory') : '',
    node.detached ? paint('yellow', 'detached') : '',
    node.policy === 'follow' ? 'follows its parent' : '',
  ].filter((mark) => mark !== '');
  if (node.parent === null) return ['', '', marks.join(', ')];
  const { head, revisions } = node;
  if (!head) return [paint('dim', 'empty'), '', marks.join(', ')];
  const count = revisions > 1 ? paint('dim', ` of ${revisions}`) : '';
  return [`@${head.number}${count}`, `rank ${head.rank}`, marks.join(', ')];
}
