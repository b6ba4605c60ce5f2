import { Option, type Command } from 'commander';
import { LINEAGE_FORMATS, type LineageFormat } from '../../registry/lineage/lineage.dto.js';
import { session } from '../session.js';

export function addLineage(program: Command): void {
  program
    .command('lineage')
    .description('write a subtree as JSON, GEXF (Gephi), DOT (Graphviz), or the fields of Hugging Face model cards')
    .argument('<path>')
    .addOption(new Option('--format <format>').choices(LINEAGE_FORMATS).default('json'))
    .addHelpText('after', '\nExample:\n  espalier lineage storyteller --format dot | dot -Tsvg > tree.svg')
    .action(async (path: string, { format }: { format: LineageFormat }, command: Command) => {
      const { api, terminal } = session(command);
      const query = new URLSearchParams({ node: path, format });
      const { body } = await api.read('GET', `/api/v1/lineage?${query.toString()}`);
      for await (const chunk of body) await terminal.writeBytes(chunk);
    });
}
