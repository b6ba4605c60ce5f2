/** What a path means, step by step, as a table. A key that sees only part of the way sees names and numbers there. */
import type { ResolutionDto } from '../registry/dto/resolution.dto.js';
import { columns, megabytes, type Terminal } from './terminal.js';

export function drawResolution(resolution: ResolutionDto, paint: Terminal['paint']): string {
  const { steps, totals, model, redirectedFrom } = resolution;
  const short = (digest: string | null | undefined): string => paint('dim', digest?.slice(0, 12) ?? '');
  const rows = steps.map(({ node, weight, revision, explanation, stale, offPin, recalled }) => [
    paint('bold', node.path),
    `×${weight}`,
    revision ? `@${revision.number}` : '-',
    revision?.rank == null ? '' : `rank ${revision.rank}`,
    revision?.bytes == null ? '' : megabytes(revision.bytes),
    short(revision?.digest),
    recalled !== null ? paint('red', explanation) : stale || offPin ? paint('yellow', explanation) : explanation,
  ]);
  const sum = `${totals.adapters} ${totals.adapters === 1 ? 'adapter' : 'adapters'}, rank ${totals.rank}, ${megabytes(totals.bytes)}`;
  return [
    `${paint('bold', resolution.path)}  ${paint('dim', resolution.digest)}`,
    ...(redirectedFrom === null ? [] : [paint('yellow', `${redirectedFrom} has moved there.`)]),
    columns([[paint('bold', model.name), '', '', '', '', short(model.digest), 'the base model'], ...rows]),
    sum,
  ].join('\n');
}
