/** What a client does: each operation as a request, and what it makes of the subtree. */
import { isWithin, liveNodes, newNode, nodeOf, pathOf, type KnownNode, type Subtree } from './subtree.js';

export type Operation =
  | { kind: 'create'; parent: number; name: string }
  /** To a node, or to a name at which one is made. */
  | { kind: 'push'; parent: number; name: string; node: number | null; adapter: number; message: string }
  | { kind: 'promote'; node: number; revision: number }
  | { kind: 'alias'; node: number; alias: string; revision: number }
  | { kind: 'unalias'; node: number; alias: string }
  | { kind: 'move'; node: number; parent: number; name: string }
  | { kind: 'archive' | 'restore' | 'disable' | 'enable'; node: number }
  | { kind: 'delete'; node: number }
  | { kind: 'undelete'; node: number }
  | { kind: 'drop redirect'; parent: number; name: string };

export interface Call {
  method: string;
  path: string;
  json?: object;
  /** Fields of the form, for a push. */
  form?: Record<string, string>;
}

/** Codes that an operation may meet without a fault of anybody: garbage is collected meanwhile. */
export const EXPECTED_REFUSALS: Partial<Record<Operation['kind'], readonly string[]>> = {
  push: ['blob_vanished'],
  undelete: ['node_purged'],
};

/** Null for those that need an answer of the service first. */
export function callOf(subtree: Subtree, operation: Operation): Call | null {
  if (operation.kind === 'create' || operation.kind === 'push') {
    const path = `${pathOf(subtree, nodeOf(subtree, operation.parent))}/${operation.name}`;
    if (operation.kind === 'create') return { method: 'POST', path: '/nodes', json: { path } };
    return { method: 'POST', path: '/revisions', form: { path, message: operation.message } };
  }
  if (operation.kind === 'drop redirect') return null;
  const node = nodeOf(subtree, operation.node);
  const route = `/nodes/${node.id ?? encodeURIComponent(pathOf(subtree, node))}`;
  switch (operation.kind) {
    case 'promote':
      return { method: 'POST', path: `${route}/promote`, json: { revision: operation.revision } };
    case 'alias':
      return { method: 'PUT', path: `${route}/aliases/${operation.alias}`, json: { revision: operation.revision } };
    case 'unalias':
      return { method: 'DELETE', path: `${route}/aliases/${operation.alias}` };
    case 'move': {
      const path = `${pathOf(subtree, nodeOf(subtree, operation.parent))}/${operation.name}`;
      return { method: 'POST', path: `${route}/move`, json: { path, force: true } };
    }
    case 'delete':
      return { method: 'DELETE', path: `${route}?recursive=true&force=true` };
    default:
      return { method: 'POST', path: `${route}/${operation.kind}`, json: {} };
  }
}

/** The subtree after the operation; the one given stays as it is. */
export function applied(before: Subtree, operation: Operation): Subtree {
  const subtree = structuredClone(before);
  if (operation.kind === 'create') {
    subtree.nodes.push(newNode(subtree.nodes.length, operation.parent, operation.name));
  } else if (operation.kind === 'push') {
    push(subtree, operation);
  } else if (operation.kind === 'drop redirect') {
    const { parent, name } = operation;
    subtree.redirects = subtree.redirects.filter((one) => one.parent !== parent || one.name !== name);
  } else {
    change(subtree, nodeOf(subtree, operation.node), operation);
  }
  return subtree;
}

function push(subtree: Subtree, operation: Extract<Operation, { kind: 'push' }>): void {
  const made = newNode(subtree.nodes.length, operation.parent, operation.name);
  const node = operation.node === null ? made : nodeOf(subtree, operation.node);
  if (node === made) subtree.nodes.push(made);
  node.revisions.push(operation.message);
  node.adapters.push(operation.adapter);
  node.head ??= 1;
}

function change(
  subtree: Subtree,
  node: KnownNode,
  operation: Exclude<Operation, { kind: 'create' | 'push' | 'drop redirect' }>,
): void {
  switch (operation.kind) {
    case 'promote':
      node.head = operation.revision;
      return;
    case 'alias':
      node.aliases[operation.alias] = operation.revision;
      return;
    case 'unalias':
      node.aliases = Object.fromEntries(Object.entries(node.aliases).filter(([name]) => name !== operation.alias));
      return;
    case 'move':
      move(subtree, node, operation.parent, operation.name);
      return;
    case 'archive':
    case 'restore':
      node.archived = operation.kind === 'archive';
      return;
    case 'disable':
    case 'enable':
      node.disabled = operation.kind === 'disable';
      return;
    case 'delete':
      remove(subtree, node);
      return;
    case 'undelete':
      for (const one of subtree.nodes) if (one.deletedWith === node.key) one.deletedWith = null;
  }
}

function move(subtree: Subtree, node: KnownNode, parent: number, name: string): void {
  const { key } = node;
  subtree.redirects = subtree.redirects.filter((one) => one.parent !== parent || one.name !== name);
  if (node.parent !== null) subtree.redirects.push({ parent: node.parent, name: node.name, node: key });
  node.parent = parent;
  node.name = name;
}

function remove(subtree: Subtree, top: KnownNode): void {
  const gone = liveNodes(subtree).filter((node) => isWithin(subtree, node, top.key));
  const keys = new Set(gone.map(({ key }) => key));
  subtree.redirects = subtree.redirects.filter(({ parent, node }) => !keys.has(parent) && !keys.has(node));
  for (const node of gone) node.deletedWith = top.key;
}
