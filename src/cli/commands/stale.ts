import type { Command } from 'commander';
import { staleNodeSchema } from '../../registry/stale/stale.dto.js';
import { session } from '../session.js';
import { columns, print } from '../terminal.js';

export function addStale(program: Command): void {
  program
    .command('stale')
    .description("the nodes whose parent's head moved on since they were trained, and the chain above each")
    .argument('[path]', 'those at and below this node alone')
    .action(async (path: string | undefined, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { paint } = terminal;
      const under = path === undefined ? '' : `?under=${encodeURIComponent(path)}`;
      const { data } = await api.list(`/api/v1/stale${under}`, staleNodeSchema);
      print(terminal, data, () => {
        const rows = data.map((node) => {
          // Itself is the last of the chain.
          const above = node.chain.slice(0, -1).map((each) => `${each.path}@${each.head}`);
          return [
            `${paint('bold', node.path)}@${node.head}`,
            node.trainedOn === null ? 'on no revision' : `on @${node.trainedOn}`,
            node.parentHead === null
              ? 'its parent has no head'
              : paint('yellow', `its parent serves @${node.parentHead}`),
            node.policy === 'follow' ? 'follows it' : node.detached ? 'detached' : '',
            node.below.nodes === 0 ? '' : `${node.below.nodes}${node.below.more ? '+' : ''} below it`,
            above.length === 0 ? '' : paint('dim', `stale above: ${above.join(', ')}`),
          ];
        });
        return columns(rows) || 'Nothing is stale.';
      });
    });
}
