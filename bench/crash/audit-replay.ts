/**
 * Plays the audit log from its first entry and holds it against itself: each entry's `before` has to be what the entries
 * before it led to. What comes out at the end has to be what the registry holds.
 */
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';

export interface ReplayedNode {
  id: string;
  parentId: string | null;
  name: string;
  policy: string;
  disabled: boolean;
  archived: boolean;
  detached: boolean;
  head: number | null;
  revisions: number;
  aliases: Record<string, number>;
  version: number;
  /** Id of the node that was deleted, with which it went. */
  deletedWith: string | null;
}

type State = Record<string, unknown>;

export class AuditReplay {
  readonly problems: string[] = [];
  readonly requestIds = new Set<string>();
  readonly nodes = new Map<string, ReplayedNode>();
  /** `parent id/name` → id of the node to which it leads. */
  readonly redirects = new Map<string, string>();
  #last = 0;

  play(entry: AuditEntryDto): void {
    if (entry.sequence !== this.#last + 1) this.problems.push(`entry ${entry.sequence} comes after ${this.#last}`);
    this.#last = entry.sequence;
    this.requestIds.add(entry.request);
    if (/^(key|gc)\./.test(entry.action)) return;
    const { node: id, action, before, after } = entry;
    if (id === null) return this.#wrong(entry, 'it names no node');
    const node = this.nodes.get(id);
    if (!node) this.#begin(entry, id);
    else if (action === 'node.undelete') this.#undelete(entry, node);
    else if (node.deletedWith !== null) this.#wrong(entry, 'its node was deleted');
    else this.#change(entry, node, before ?? {}, after ?? {});
    const now = this.nodes.get(id);
    if (now?.deletedWith === null && action !== 'redirect.drop')
      this.#expect(entry, 'path', entry.path, this.pathOf(now));
  }

  get sequence(): number {
    return this.#last;
  }

  live(): ReplayedNode[] {
    return [...this.nodes.values()].filter(({ deletedWith }) => deletedWith === null);
  }

  pathOf({ parentId, name }: ReplayedNode): string {
    const parent = parentId === null ? undefined : this.nodes.get(parentId);
    return parent ? `${this.pathOf(parent)}/${name}` : name;
  }

  /** A first entry makes the node: a push does so, too. */
  #begin(entry: AuditEntryDto, id: string): void {
    const { action, path, after } = entry;
    if (path === null || !['model.import', 'node.create', 'revision.push'].includes(action)) {
      return this.#wrong(entry, 'its node was never made');
    }
    const at = path.lastIndexOf('/');
    const parent = at < 0 ? null : this.#find(path.slice(0, at));
    if (parent === undefined) return this.#wrong(entry, 'the parent of its node is not there');
    const isPush = action === 'revision.push';
    if (isPush) this.#expect(entry, 'number', after?.['number'], 1);
    this.nodes.set(id, {
      id,
      parentId: parent?.id ?? null,
      name: path.slice(at + 1),
      policy: textOf(after?.['policy']) ?? 'pinned',
      disabled: false,
      archived: false,
      detached: false,
      head: isPush ? 1 : null,
      revisions: isPush ? 1 : 0,
      aliases: {},
      // A push makes the node, then gives it its head.
      version: isPush ? 2 : 1,
      deletedWith: null,
    });
  }

  #change(entry: AuditEntryDto, node: ReplayedNode, before: State, after: State): void {
    switch (entry.action) {
      case 'revision.push':
        node.revisions++;
        node.version++;
        node.detached = false;
        this.#expect(entry, 'number', after['number'], node.revisions);
        if (node.revisions === 1) node.head = 1;
        return;
      case 'head.promote':
        this.#expect(entry, 'head before', before['head'], node.head);
        node.head = numberOf(after['head']);
        node.version++;
        return;
      case 'node.disable':
      case 'node.enable':
        this.#expect(entry, 'disabled before', before['disabled'], node.disabled);
        node.disabled = after['disabled'] === true;
        node.version++;
        return;
      case 'node.archive':
      case 'node.restore':
        this.#expect(entry, 'archived before', before['archived'], node.archived);
        node.archived = after['archived'] === true;
        node.version++;
        return;
      case 'node.move':
        return this.#move(entry, node, before, after);
      case 'node.delete':
        return this.#delete(entry, node, before, after);
      case 'redirect.drop':
        this.#expect(entry, 'redirect', this.redirects.get(`${node.id}/${textOf(before['redirect'])}`), before['node']);
        this.redirects.delete(`${node.id}/${textOf(before['redirect'])}`);
        return;
      case 'alias.set':
      case 'alias.move':
      case 'alias.delete':
        return this.#alias(entry, node, before, after);
      default:
        this.#wrong(entry, 'nobody here does that');
    }
  }

  #alias(entry: AuditEntryDto, node: ReplayedNode, before: State, after: State): void {
    const name = textOf(after['alias'] ?? before['alias']) ?? '';
    this.#expect(entry, `${name} before`, before['revision'], node.aliases[name]);
    const revision = numberOf(after['revision']);
    if (revision !== null) node.aliases[name] = revision;
    else node.aliases = Object.fromEntries(Object.entries(node.aliases).filter(([other]) => other !== name));
  }

  #move(entry: AuditEntryDto, node: ReplayedNode, before: State, after: State): void {
    const { path = '', policy, detached } = after;
    this.#expect(entry, 'place before', before, {
      path: this.pathOf(node),
      policy: node.policy,
      detached: node.detached,
    });
    const to = textOf(path) ?? '';
    const parent = this.#find(to.slice(0, to.lastIndexOf('/')));
    if (!parent) return this.#wrong(entry, 'it goes to where nothing is');
    const name = to.slice(to.lastIndexOf('/') + 1);
    const leadsTo = this.redirects.get(`${parent.id}/${name}`);
    if (leadsTo !== undefined) this.#expect(entry, 'redirect in its place', leadsTo, node.id);
    this.redirects.delete(`${parent.id}/${name}`);
    this.redirects.set(`${node.parentId ?? ''}/${node.name}`, node.id);
    Object.assign(node, { parentId: parent.id, name, policy, detached, version: node.version + 1 });
  }

  #delete(entry: AuditEntryDto, node: ReplayedNode, before: State, after: State): void {
    this.#expect(entry, 'path before', before['path'], this.pathOf(node));
    const gone = this.live().filter((one) => this.#isWithin(one, node.id));
    this.#expect(entry, 'nodes', after['nodes'], gone.length);
    const ids = new Set(gone.map(({ id }) => id));
    for (const [place, target] of this.redirects) {
      if (ids.has(target) || ids.has(place.slice(0, place.indexOf('/')))) this.redirects.delete(place);
    }
    for (const one of gone) Object.assign(one, { deletedWith: node.id, version: one.version + 1 });
  }

  #undelete(entry: AuditEntryDto, node: ReplayedNode): void {
    const back = [...this.nodes.values()].filter(({ deletedWith }) => deletedWith === node.id);
    this.#expect(entry, 'nodes', entry.after?.['nodes'], back.length);
    for (const one of back) Object.assign(one, { deletedWith: null, version: one.version + 1 });
  }

  #isWithin({ id, parentId }: ReplayedNode, topId: string): boolean {
    const parent = parentId === null ? undefined : this.nodes.get(parentId);
    return id === topId || (parent !== undefined && this.#isWithin(parent, topId));
  }

  #find(path: string): ReplayedNode | undefined {
    return this.live().find(
      (node) => node.name === path.slice(path.lastIndexOf('/') + 1) && this.pathOf(node) === path,
    );
  }

  #expect(entry: AuditEntryDto, what: string, said: unknown, found: unknown): void {
    if (JSON.stringify(said) === JSON.stringify(found)) return;
    this.#wrong(entry, `${what} is ${JSON.stringify(said)}, and was led to ${JSON.stringify(found)}`);
  }

  #wrong({ sequence, action }: AuditEntryDto, why: string): void {
    this.problems.push(`audit entry ${sequence}, ${action}: ${why}`);
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
