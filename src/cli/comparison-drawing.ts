/** Two revisions side by side: facts, metrics, and how far apart their matrices are. */
import type { ComparedModule, ComparedSide, ComparisonDto } from '../registry/compare/comparison.dto.js';
import { columns, firstLine, harmless, megabytes, type Terminal } from './terminal.js';
import { shortTime } from './times.js';

const UNMEASURED = {
  no_revision: 'a side has no revision',
  other_model: 'they are for different weights',
  too_large: 'that would take too long',
};

/** `most`: how many modules, those that differ most. */
export function drawComparison(comparison: ComparisonDto, paint: Terminal['paint'], most: number): string {
  const { left, right, total, unmeasured, metrics, modules } = comparison;
  const sides = [left, right];
  const row = (title: string, fact: (side: ComparedSide) => string): string[] => [
    paint('dim', title),
    ...sides.map(fact),
  ];
  const facts = [
    row('', ({ node, revision }) => paint('bold', `${node.path}${revision ? `@${revision.number}` : ''}`)),
    row('base', ({ model }) => model),
    row('lineage', lineage),
    row('digest', ({ revision }) => revision?.digest.slice(0, 12) ?? 'no revision'),
    row('rank, size', ({ revision }) => (revision ? `${revision.rank}, ${megabytes(revision.bytes)}` : '')),
    row('state', (side) => states(side, paint)),
    row('tags', ({ tags }) => tags.join(', ')),
    row('created', ({ revision }) => shortTime(revision?.createdAt ?? null)),
    row('author', ({ revision }) => harmless(revision?.author ?? '')),
    row('message', ({ revision }) => firstLine(revision?.message ?? '')),
    ...metrics.map((metric) => [paint('dim', harmless(metric.name)), figure(metric.left), figure(metric.right)]),
    [paint('dim', 'norm of ΔW'), figure(total.leftNorm), figure(total.rightNorm)],
  ].filter(([, ...cells]) => cells.some((cell) => cell !== ''));
  const apart =
    unmeasured === null
      ? `Together: cosine ${figure(total.cosine)}, relative difference ${figure(total.relativeDifference)}.`
      : `The matrices were not compared: ${UNMEASURED[unmeasured]}.`;
  return [columns(facts), '', apart, ...drawModules(modules, paint, most)].join('\n');
}

function drawModules(modules: readonly ComparedModule[], paint: Terminal['paint'], most: number): string[] {
  const difference = (each: ComparedModule): number => each.relativeDifference ?? Infinity;
  const shown =
    modules.length <= most ? modules : modules.toSorted((a, b) => difference(b) - difference(a)).slice(0, most);
  const head = ['module', 'rank', 'norm', 'cosine', 'difference'].map((title) => paint('dim', title));
  const rows = shown.map(({ module, left, right, cosine, relativeDifference }) => [
    module,
    pair(left?.rank, right?.rank),
    pair(left && figure(left.norm), right && figure(right.norm)),
    figure(cosine),
    figure(relativeDifference),
  ]);
  if (rows.length === 0) return [];
  const more = modules.length - shown.length;
  const rest =
    more === 0 ? [] : [`The ${shown.length} of ${modules.length} modules that differ most; --modules shows all.`];
  return ['', columns([head, ...rows]), ...rest];
}

function lineage({ lineage }: ComparedSide): string {
  return lineage
    .map(({ path, number, recalled }) => `${path?.split('/').at(-1) ?? '…'}@${number}${recalled ? '!' : ''}`)
    .join(' › ');
}

function states({ revision, aliases }: ComparedSide, paint: Terminal['paint']): string {
  const all = [
    revision?.isHead === true ? paint('green', 'head') : '',
    ...aliases.map((name) => paint('green', name)),
    revision?.recalled === true ? paint('red', 'recalled') : '',
  ];
  return all.filter((each) => each !== '').join(', ');
}

function pair(left: number | string | null | undefined, right: number | string | null | undefined): string {
  const [a, b] = [left ?? '-', right ?? '-'].map(String);
  return a === b ? String(a) : `${a} | ${b}`;
}

function figure(value: number | null): string {
  if (value === null) return '-';
  return String(Number(value.toPrecision(4)));
}
