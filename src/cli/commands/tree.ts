import type { Command } from 'commander';
import { nodeSchema } from '../../registry/dto/node.dto.js';
import { wholeNumber } from '../arguments.js';
import { session } from '../session.js';
import { print } from '../terminal.js';
import { drawTree } from '../tree-drawing.js';

export function addTree(program: Command): void {
  program
    .command('tree')
    .description('draw the nodes with their heads and aliases, and what is stale')
    .argument('[path]', 'a model, or a node to start from; left out, all models')
    .option('--archived', 'also what was archived')
    .option('--most <nodes>', 'how many nodes to draw at the most', wholeNumber(1), 10_000)
    .action(async (path: string | undefined, options: { most: number; archived?: boolean }, command: Command) => {
      const { api, terminal } = session(command);
      const { most, archived } = options;
      const query = new URLSearchParams({
        archived: String(archived === true),
        ...(path === undefined ? {} : { under: path }),
      });
      const { data, nextCursor } = await api.list(`/api/v1/nodes?${query.toString()}`, nodeSchema, most);
      print(terminal, data, () => drawTree(data, terminal.paint) || 'No nodes yet: import a model first.');
      if (nextCursor !== null) terminal.note(`There are more than ${most} nodes. Name one to see what is below it.`);
    });
}
