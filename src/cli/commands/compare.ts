import type { Command } from 'commander';
import { comparisonSchema } from '../../registry/compare/comparison.dto.js';
import { drawComparison } from '../comparison-drawing.js';
import { withProgress } from '../progress.js';
import { session } from '../session.js';
import { print } from '../terminal.js';

/** As many as one looks at. */
const FEW = 12;

export function addCompare(program: Command): void {
  program
    .command('compare')
    .description(
      'two nodes or revisions side by side: lineage, metrics, tags, ranks, norms, and how far apart they are',
    )
    .argument('<left>', 'a node at its head, or with @revision or @alias')
    .argument('<right>')
    .option('--modules', 'all modules, not only those that differ most')
    .action(async (left: string, right: string, { modules }: { modules?: boolean }, command: Command) => {
      const { api, terminal } = session(command);
      const query = new URLSearchParams({ left, right });
      const comparison = await withProgress(terminal, 'Comparing', null, () =>
        api.get(`/api/v1/compare?${query.toString()}`, comparisonSchema),
      );
      print(terminal, comparison, () => drawComparison(comparison, terminal.paint, modules === true ? Infinity : FEW));
    });
}
