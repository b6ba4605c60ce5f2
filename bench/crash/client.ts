/**
 * One client: it changes a subtree of its own as fast as it is answered, and remembers what was acknowledged. When the
 * service dies, one operation may be open: it must have happened in whole or not at all.
 */
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import { choose, type Draw } from './choices.js';
import type { CrashingService } from './crashing-service.js';
import { applied, callOf, EXPECTED_REFUSALS, type Operation } from './operations.js';
import { readSubtree, type SeenSubtree } from './seen-subtree.js';
import { differences, liveNodes, newNode, pathOf, viewOf, type Subtree } from './subtree.js';

/** The two files of each adapter, by field of the form. */
export type AdapterForms = readonly Readonly<Record<string, Blob>>[];

export interface Acknowledged {
  requestId: string;
  kind: string;
}

interface Open {
  operation: Operation;
  requestId: string;
}

export class CrashClient {
  readonly acknowledged: Acknowledged[] = [];
  /** What was wrong: nothing may be. */
  readonly problems: string[] = [];
  readonly refused = new Map<string, number>();
  /** Requests without an answer: what became of them. */
  readonly open = { happened: 0, didNot: 0 };
  #subtree: Subtree;
  #open: Open | null = null;
  readonly #name: string;
  readonly #draw: Draw;
  readonly #adapters: AdapterForms;
  #requests = 0;
  /** Ids of requests that were open and did not happen. */
  readonly #lost: string[] = [];

  constructor(top: NodeDto, name: string, adapters: AdapterForms, draw: Omit<Draw, 'adapters'>) {
    this.#name = name;
    this.#adapters = adapters;
    this.#draw = { ...draw, adapters: adapters.length };
    this.#subtree = {
      path: top.path,
      nodes: [{ ...newNode(0, null, top.name), id: top.id }],
      redirects: [],
      purged: [],
    };
  }

  /** Until the service is gone. */
  async storm(service: CrashingService): Promise<void> {
    while (service.isRunning && this.#open === null && this.problems.length === 0) await this.#once(service);
  }

  /** Compares what is there with what was acknowledged. Returns what it saw. */
  async check(service: CrashingService): Promise<SeenSubtree> {
    const seen = await readSubtree(service, this.#subtree.path);
    const open = this.#open;
    this.#open = null;
    const before = differences(viewOf(this.#subtree), seen.view);
    if (open) {
      const after = applied(this.#subtree, open.operation);
      const happened = differences(viewOf(after), seen.view).length === 0;
      if (happened) {
        this.#subtree = after;
        this.open.happened++;
        this.acknowledged.push({ requestId: open.requestId, kind: 'open' });
      } else {
        this.open.didNot++;
        this.#lost.push(open.requestId);
      }
      if (!happened && before.length > 0) this.#wrong(before, open.operation);
    } else if (before.length > 0) {
      this.#wrong(before, null);
    }
    for (const node of liveNodes(this.#subtree)) node.id ??= seen.ids.get(pathOf(this.#subtree, node)) ?? null;
    return seen;
  }

  /** Of all rounds: what was acknowledged is in the audit log, what did not happen isn't. */
  checkRequests(recorded: ReadonlySet<string>): void {
    const missing = this.acknowledged.filter(({ requestId }) => !recorded.has(requestId));
    for (const { kind, requestId } of missing) this.problems.push(`no entry for ${kind} of request ${requestId}`);
    for (const id of this.#lost.filter((one) => recorded.has(one)))
      this.problems.push(`an entry without effect: ${id}`);
  }

  async #once(service: CrashingService): Promise<void> {
    const operation = choose(this.#subtree, this.#draw);
    const requestId = `${this.#name}:${++this.#requests}`;
    let answer: Response;
    try {
      const call = callOf(this.#subtree, operation) ?? (await this.#dropCall(service, operation));
      const files = operation.kind === 'push' ? this.#adapters[operation.adapter] : undefined;
      answer = await service.fetch({ ...call, files, requestId });
    } catch {
      this.#open = { operation, requestId };
      return;
    }
    if (answer.ok) await this.#succeeded(operation, requestId, answer);
    else await this.#failed(operation, answer);
  }

  async #succeeded(operation: Operation, requestId: string, answer: Response): Promise<void> {
    this.#subtree = applied(this.#subtree, operation);
    this.acknowledged.push({ requestId, kind: operation.kind });
    if (operation.kind !== 'create' && !(operation.kind === 'push' && operation.node === null)) {
      await answer.arrayBuffer().catch(() => undefined);
      return;
    }
    try {
      const body = (await answer.json()) as { id: string; nodeId?: string };
      const made = this.#subtree.nodes.at(-1);
      if (made) made.id = body.nodeId ?? body.id;
    } catch {
      // The service died within its answer; the next check finds the id.
    }
  }

  async #failed(operation: Operation, answer: Response): Promise<void> {
    const text = await answer.text().catch(() => '');
    const code = /"code":"([a-z_]+)"/.exec(text)?.[1] ?? String(answer.status);
    if (code === 'node_purged' && operation.kind === 'undelete') this.#subtree.purged.push(operation.node);
    if (EXPECTED_REFUSALS[operation.kind]?.includes(code)) this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
    else this.problems.push(`${JSON.stringify(operation)} was answered ${answer.status}: ${text.slice(0, 500)}`);
  }

  /** By its id, which only a listing tells. */
  async #dropCall(service: CrashingService, operation: Operation): Promise<{ method: string; path: string }> {
    if (operation.kind !== 'drop redirect') throw new TypeError(`${operation.kind} has a call of its own`);
    const parent = this.#subtree.nodes.find(({ key }) => key === operation.parent);
    const path = `${parent ? pathOf(this.#subtree, parent) : ''}/${operation.name}`;
    const { redirectIds } = await readSubtree(service, this.#subtree.path);
    return { method: 'DELETE', path: `/redirects/${redirectIds.get(path) ?? 'missing'}` };
  }

  #wrong(found: readonly string[], open: Operation | null): void {
    const context = open ? ` (open: ${JSON.stringify(open)})` : '';
    for (const difference of found.slice(0, 5)) this.problems.push(`known and seen differ${context}: ${difference}`);
  }
}
