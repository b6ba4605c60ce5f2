import type { Command } from 'commander';
import { nodeSchema } from '../../registry/dto/node.dto.js';
import { wholeNumber } from '../arguments.js';
import { session } from '../session.js';
import { print } from '../terminal.js';
import { drawTree } from '../tree-drawing.js';

export function addTree(program: Command): void {
  program
    .command('tree')
    .description('draw the nodes with their heads, and what is stale')
    .argument('[path]', 'a model, or a node to start from; left out, all models')
    .option('--most <nodes>', 'how many nodes to draw at the most', wholeNumber(1), 10_000)
    .action(async (path: string | undefined, { most }: { most: number }, command: Command) => {
      const { api, terminal } = session(command, 'admin');
      const under = path === undefined ? '' : `?under=${encodeURIComponent(path)}`;
      const { data, nextCursor } = await api.list(`/api/v1/nodes${under}`, nodeSchema, most);
      print(terminal, data, () => drawTree(data, terminal.paint) || 'No nodes yet: import a model first.');
      if (nextCursor !== null) terminal.note(`There are more than ${most} nodes. Name one to see what is below it.`);
    });
}
