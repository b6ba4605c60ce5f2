import type { Command } from 'commander';
import { gcReportSchema, type GcReport } from '../../registry/gc/gc.dto.js';
import { withProgress } from '../progress.js';
import { session } from '../session.js';
import { columns, megabytes, print } from '../terminal.js';
import { seconds } from '../times.js';

export function addGc(program: Command): void {
  program
    .command('gc')
    .description('remove what nothing refers to any more: revisions of deleted nodes, and bytes that nobody has')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option('--grace <time>', 'keep what was deleted or put there since, as 12h or 7d; left out, a week', seconds)
    .action(async ({ dryRun, grace }: { dryRun?: boolean; grace?: number }, command: Command) => {
      const { api, terminal } = session(command);
      const body = { dryRun: dryRun === true, graceSeconds: grace };
      const report = await withProgress(terminal, 'Collecting garbage', null, () =>
        api.post('/api/v1/gc', body, gcReportSchema),
      );
      print(terminal, report, () => drawReport(report));
    });
}

function drawReport({ dryRun, revisions, blobs, models, temporary }: GcReport): string {
  return [
    dryRun ? 'Would remove:' : 'Removed:',
    columns([
      ['  revisions', String(revisions.purged)],
      ['  blobs', String(blobs.removed), megabytes(blobs.removedBytes)],
      ['  model folders', String(models.removed), megabytes(models.removedBytes)],
      ['  half-made files', String(temporary.removed)],
    ]),
    `${blobs.kept} blobs stay, ${megabytes(blobs.keptBytes)}.`,
  ].join('\n');
}
