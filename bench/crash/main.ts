/**
 * `npm run crash -- --rounds 50`: kills the service again and again while it is written to, and says what was lost. Also
 * --clients and --seed. On the embedded database, or on the server of ESPALIER_TEST_DATABASE_URL.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runCrashes } from './crash-run.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    clients: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const [rounds, clients, seed] = [Number(values.rounds), Number(values.clients), Number(values.seed)];
if (![rounds, clients, seed].every((number) => Number.isSafeInteger(number) && number > 0)) {
  process.stderr.write('--rounds, --clients and --seed take whole numbers from 1.\n');
  process.exit(2);
}

const postgres = process.env['ESPALIER_TEST_DATABASE_URL'];
process.stdout.write(`${postgres ? 'PostgreSQL' : 'Embedded database'}, ${clients} clients, seed ${seed}\n`);
const summary = await runCrashes({
  rounds,
  clients,
  seed,
  main: fileURLToPath(new URL('../../src/main.js', import.meta.url)),
  postgres,
  progress: (line) => process.stdout.write(`${line}\n`),
});
const total = Object.values(summary.acknowledged).reduce((sum, count) => sum + count, 0);
process.stdout.write(
  [
    '',
    `${summary.rounds} rounds, ${summary.kills} kills, ${summary.killsDuringStart} of them during a start`,
    `${total} changes acknowledged: ${listed(summary.acknowledged)}`,
    `${summary.open.happened + summary.open.didNot} requests open at a kill: ${summary.open.happened} happened, ${summary.open.didNot} did not`,
    `refused: ${listed(summary.refused) || 'none'}`,
    `${summary.auditEntries} entries of the audit log, without gaps`,
    `${summary.problems.length} losses`,
    ...summary.problems.map((problem) => `  ${problem}`),
    '',
  ].join('\n'),
);
process.exit(summary.problems.length > 0 ? 1 : 0);

function listed(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
