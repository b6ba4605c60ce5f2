/** What a path means, step by step, as a table. */
import type { ResolutionDto } from '../registry/dto/resolution.dto.js';
import { columns, megabytes, type Terminal } from './terminal.js';

export function drawResolution(resolution: ResolutionDto, paint: Terminal['paint']): string {
  const { steps, totals, model } = resolution;
  const rows = steps.map((step) => [
    paint('bold', step.node.path),
    `×${step.weight}`,
    step.revision ? `@${step.revision.number}` : '-',
    step.revision ? `rank ${step.revision.rank}` : '',
    step.revision ? megabytes(step.revision.bytes) : '',
    paint('dim', step.revision ? step.revision.digest.slice(0, 12) : ''),
    step.stale || step.offPin ? paint('yellow', step.explanation) : step.explanation,
  ]);
  const sum = `${totals.adapters} ${totals.adapters === 1 ? 'adapter' : 'adapters'}, rank ${totals.rank}, ${megabytes(totals.bytes)}`;
  return [
    `${paint('bold', resolution.path)}  ${paint('dim', resolution.digest)}`,
    columns([
      [paint('bold', model.name), '', '', '', '', paint('dim', model.digest.slice(0, 12)), 'the base model'],
      ...rows,
    ]),
    sum,
  ].join('\n');
}
