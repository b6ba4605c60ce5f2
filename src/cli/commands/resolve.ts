import type { Command } from 'commander';
import { resolutionSchema } from '../../registry/dto/resolution.dto.js';
import { drawResolution } from '../resolution-drawing.js';
import { session } from '../session.js';
import { print } from '../terminal.js';

export function addResolve(program: Command): void {
  program
    .command('resolve')
    .description('explain what a path means now: which revision of each node, and why')
    .argument('<path>', 'as storyteller/french:0.8/verne@2')
    .action(async (path: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const resolution = await api.get(`/api/v1/resolve?path=${encodeURIComponent(path)}`, resolutionSchema);
      print(terminal, resolution, () => drawResolution(resolution, terminal.paint));
    });
}
