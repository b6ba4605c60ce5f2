/**
 * A key that is bound to a subtree learns nothing of what lies outside, and changes nothing there. Every operation of
 * /openapi.json is tried with keys on random nodes, and with arguments that name what those keys may not see; so are
 * GraphQL documents. An answer leaks if it holds a name, an id, a digest or a text of a node outside, unless the request
 * itself said it. Of the nodes above its subtree a key may see the names.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { buildSchema } from 'graphql';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { RevisionDto } from '../../src/registry/dto/revision.dto.js';
import type { NewKeyDto } from '../../src/registry/keys/key.dto.js';
import { Call, operationsOf, type Operation } from './support/random-calls.js';
import { randomDocument, rootsOf } from './support/random-documents.js';
import { REPOSITORY } from './support/service.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(600_000);

const RUNS = Number(process.env['ESPALIER_ISOLATION_RUNS'] ?? 1_000);
/** A fixed one, so that a failure comes again; fast-check prints it with what failed. */
const SEED = Number(process.env['ESPALIER_ISOLATION_SEED'] ?? 20_261);

/** Children of each node, by branch: three levels below the model. */
const BRANCHES = [3, 2, 2];

interface Place {
  node: NodeDto;
  revisions: RevisionDto[];
  /** What nobody outside may learn. */
  secrets: string[];
}

interface BoundKey {
  place: Place;
  key: NewKeyDto;
}

describe('a key that is bound to a subtree', () => {
  let registry: TinyRegistry;
  const places: Place[] = [];
  const keys: BoundKey[] = [];
  let modelSecrets: string[] = [];
  let operations: Operation[] = [];

  beforeAll(async () => {
    registry = await TinyRegistry.start({ env: { ESPALIER_HUB_URL: 'off' } });
    await grow('tiny', BRANCHES);
    for (const place of places) place.secrets.push(...(await secretsOf(place)));
    for (const { node, secrets } of places) {
      const merge = await registry.post<{ id: string; digest: string }>('/merges', { path: node.path }, 201);
      secrets.push(merge.id, merge.digest);
    }
    const model = await registry.get<{ id: string; digest: string; rootNodeId: string }>('/models/tiny');
    modelSecrets = [model.id, model.digest, model.rootNodeId];
    for (const place of places) {
      const scopes = ['infer', 'read', 'write', 'promote', 'metrics', 'admin'];
      const key = await registry.post<NewKeyDto>('/keys', { name: marker('key'), scopes, subtree: place.node.id }, 201);
      keys.push({ place, key });
      place.secrets.push(key.id, key.name, key.prefix);
    }
    operations = operationsOf((await registry.service.call('/openapi.json', { key: null })).body);
  });
  afterAll(() => registry.remove());

  let made = 0;
  const marker = (what: string): string => `${what}-${(0x5eed0000 + made++).toString(16)}`;

  async function grow(parent: string, [children = 0, ...below]: readonly number[]): Promise<void> {
    for (let i = 0; i < children; i++) {
      const path = `${parent}/${marker('node')}`;
      const texts = [marker('message'), marker('author'), marker('metric'), marker('tag')] as const;
      for (const seed of [made++, made++]) {
        const folder = await registry.adapter(`adapter-${seed}`, { seed });
        const [message, author, metric, tag] = texts;
        const pushed = { path, folder, message, author, metrics: { [metric]: 0.5 }, tags: [tag], card: message };
        await registry.post('/revisions', pushed, 201);
      }
      const alias = marker('alias');
      await registry.call(`/nodes/${encodeURIComponent(path)}/aliases/${alias}`, 201, {
        method: 'PUT',
        json: { revision: 2 },
      });
      const description = marker('description');
      const node = await registry.call<NodeDto>(`/nodes/${encodeURIComponent(path)}`, 200, {
        method: 'PATCH',
        json: { description, tags: [marker('tag')] },
      });
      const revisions = await registry.get<{ data: RevisionDto[] }>(`/nodes/${node.id}/revisions`);
      places.push({ node, revisions: revisions.data, secrets: [alias, ...texts] });
      await grow(path, below);
    }
  }

  /** Every text of its DTOs that is its own. */
  function secretsOf({ node, revisions }: Place): Promise<string[]> {
    const texts = [node.name, node.id, node.description, ...node.tags];
    for (const { id, digest } of revisions) texts.push(id, digest);
    return Promise.resolve(texts);
  }

  function forbidden({ place }: BoundKey): string[] {
    const { path } = place.node;
    const outside = places.filter(({ node }) => node.path !== path && !node.path.startsWith(`${path}/`));
    return [
      ...modelSecrets,
      ...outside.flatMap(({ node, secrets }) => {
        const isAbove = path.startsWith(`${node.path}/`);
        return secrets.filter((secret) => !(isAbove && secret === node.name));
      }),
    ];
  }

  /** What such a key could try: things of the nodes outside, above, and its own. */
  function wordsFor({ place }: BoundKey): { outside: string[]; own: string[] } {
    const { path } = place.node;
    const isOwn = (other: string): boolean => other === path || other.startsWith(`${path}/`);
    const words = ({ node, revisions, secrets }: Place): string[] => [
      node.path,
      node.id,
      `${node.path}@2`,
      ...revisions.map(({ id }) => id),
      ...secrets,
    ];
    return {
      outside: ['tiny', ...places.filter(({ node }) => !isOwn(node.path)).flatMap(words)],
      own: places.filter(({ node }) => isOwn(node.path)).flatMap(words),
    };
  }

  function leaks(bound: BoundKey, asked: string, answered: string): string[] {
    return forbidden(bound).filter((secret) => answered.includes(secret) && !asked.includes(secret));
  }

  it('sees nothing outside, whatever it asks', async () => {
    const reached = new Set<string>();
    const before = await outsideState();
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.infiniteStream(fc.nat()), async (who, dice) => {
        const bound = keys[who % keys.length]!;
        const operation = operations[turn++ % operations.length]!;
        const roll = (sides: number): number => (dice.next().value as number) % sides;
        const call = Call.random(operation, { ...wordsFor(bound), roll, folder: registry.folder });
        const answer = await registry.service.fetch(call.path, {
          method: operation.method,
          key: bound.key.key,
          ...(call.json === undefined ? {} : { json: call.json }),
        });
        const text = await answer.text();
        if (!text.includes('"code":"invalid_request"')) reached.add(operation.name);
        const headers = JSON.stringify([...answer.headers]);
        const leaked = leaks(bound, call.text, text + headers);
        if (leaked.length > 0) throw new Error(`${call.text} → ${answer.status} leaks ${leaked.join(', ')}: ${text}`);
        if (answer.status >= 500 && answer.status !== 503) throw new Error(`${call.text} → ${answer.status}: ${text}`);
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
    // A refusal of the request's form says nothing about what lies behind it.
    expect(operations.map(({ name }) => name).filter((name) => !reached.has(name))).toEqual([]);
    expect(await outsideState()).toEqual(before);
  });

  it('sees nothing outside over GraphQL', async () => {
    const schema = buildSchema(await readFile(join(REPOSITORY, 'src/graphql/schema.graphql'), 'utf8'));
    const roots = rootsOf(schema);
    const reached = new Set<string>();
    const before = await outsideState();
    let turn = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.infiniteStream(fc.nat()), async (who, dice) => {
        const bound = keys[who % keys.length]!;
        const root = roots[turn++ % roots.length]!;
        const roll = (sides: number): number => (dice.next().value as number) % sides;
        const { outside, own } = wordsFor(bound);
        const words = root.kind === 'query' ? [...outside, ...own, ...own] : outside;
        const word = (name: string): string => (/folder/i.test(name) ? registry.folder : words[roll(words.length)]!);
        const query = randomDocument(schema, root, word, roll);
        const answer = await registry.service.fetch('/graphql', { key: bound.key.key, json: { query } });
        const text = await answer.text();
        if (answer.status === 200) reached.add(root.field.name);
        const leaked = leaks(bound, query, text);
        if (leaked.length > 0) throw new Error(`${query} leaks ${leaked.join(', ')}: ${text}`);
        if (text.includes('"internal_error"')) throw new Error(`${query} → ${text}`);
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
    expect(roots.map(({ field }) => field.name).filter((name) => !reached.has(name))).toEqual([]);
    expect(await outsideState()).toEqual(before);
  });

  /** Nodes that no key of a lower level owns: the first level as a whole sees everything, so all that existed before. */
  async function outsideState(): Promise<unknown> {
    const { data } = await registry.get<{ data: NodeDto[] }>('/nodes?under=tiny&limit=1000');
    const known = new Set(places.map(({ node }) => node.id));
    return data
      .filter(({ id }) => known.has(id))
      .map(({ id, path, head, aliases, description, tags, disabled, pinned, archived }) => ({
        id,
        path,
        head,
        aliases,
        description,
        tags,
        disabled,
        pinned,
        archived,
      }));
  }
});
