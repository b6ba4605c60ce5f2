/** A lineage in the language of Graphviz (https://graphviz.org/doc/info/lang.html). */
import type { Lineage, LineageEdge, LineageNode } from './lineage.js';

/** A line at a time. */
export function* toDot({ nodes, edges }: Lineage): Generator<string> {
  yield 'digraph lineage {\n  rankdir=LR;\n  node [shape=box, fontname="sans-serif"];\n  edge [fontname="sans-serif"];\n';
  for (const node of nodes) yield `  ${quoted(node.id)} [${dotNode(node)}];\n`;
  for (const edge of edges) yield `  ${quoted(edge.parent)} -> ${quoted(edge.child)} [${dotEdge(edge)}];\n`;
  yield '}\n';
}

function dotNode({ path, head, disabled, archived, stale, aliases }: LineageNode): string {
  const names = aliases.map(({ name, revision }) => `${name} = ${revision}`);
  const label = [path, head === null ? 'no revision' : `revision ${head}`, ...names].map(escaped).join('\\n');
  const style = disabled || archived ? ', style=dashed' : '';
  return `label="${label}"${style}${stale ? ', color="#b45309"' : ''}`;
}

function dotEdge({ policy, trainedOn, parentHead, stale }: LineageEdge): string {
  const pinned = `on ${trainedOn ?? 'nothing'}${stale ? `, head is ${parentHead ?? 'nothing'}` : ''}`;
  const label = policy === 'follow' ? 'follows' : pinned;
  return `label="${escaped(label)}"${stale ? ', color="#b45309"' : ''}`;
}

function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** In DOT's quoted strings a quote ends them, and labels read a backslash as the start of an escape. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
