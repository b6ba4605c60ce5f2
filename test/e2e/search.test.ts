/** Search through HTTP: what is found, by whom, in which order, page by page. */
import { jest } from '@jest/globals';
import pg from 'pg';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { FoundNodeDto } from '../../src/registry/search/search.dto.js';
import { onPostgres } from './support/postgres.js';
import { TinyRegistry } from './support/tiny-registry.js';

jest.setTimeout(240_000);

let registry: TinyRegistry;
afterAll(() => registry.remove());

type Query = Record<string, string | number | boolean | readonly (string | number)[]>;

const parameters = (query: Query) =>
  new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) =>
      [value].flat().map((one): [string, string] => [name, String(one)]),
    ),
  ).toString();

/** All pages; empty ones in between are allowed. */
async function search(query: Query, key?: string): Promise<FoundNodeDto[]> {
  const found: FoundNodeDto[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const at: Query = cursor === '' ? {} : { cursor };
    const { status, body } = await registry.service.call<Page<FoundNodeDto>>(
      `/api/v1/search?${parameters({ ...query, ...at })}`,
      key === undefined ? {} : { key },
    );
    if (status !== 200) throw new Error(`${parameters(query)}: ${JSON.stringify(body)}`);
    found.push(...body.data);
    cursor = body.nextCursor;
  }
  return found;
}

const paths = async (query: Query, key?: string) => (await search(query, key)).map(({ path }) => path);
const refusal = (query: Query) => registry.refusal(`/search?${parameters(query)}`);

describe('a search of a small tree', () => {
  let middle: string;

  beforeAll(async () => {
    registry = await TinyRegistry.start();
    const node = (path: string, description: string, tags: string[] = []) =>
      registry.post<NodeDto>('/nodes', { path, description, tags }, 201);
    await node('tiny/french', 'Français: la langue de Molière', ['lang:fr', 'public']);
    await node('tiny/french/legal', 'Contracts and case law', ['public']);
    await node('tiny/german', 'Die deutsche Sprache_v2.1', ['lang:de']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    middle = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await node('tiny/german/legal-assistant', '日本 100% O’Brien’s "quoted" \\ back');
    await node('tiny/german/old', 'archived later', ['public']);
    let seed = 1;
    const push = async (path: string, more: object) =>
      registry.pushFolder({ path, folder: await registry.adapter(`search-${seed}`, { seed: seed++ }), ...more });
    await push('tiny/french', { message: 'first try', metrics: { eval_loss: 0.9, bleu: 20 }, tags: ['draft'] });
    await push('tiny/french', { message: 'second', card: '# Verne\nNautilus', metrics: { eval_loss: 0.1 } });
    await push('tiny/french/legal', { trainedOn: 1, metrics: { eval_loss: 0.5, bleu: 30 } });
    await push('tiny/german', { metrics: { eval_loss: -2 }, tags: ['best'], card: 'zeppelin' });
    await push('tiny/german/legal-assistant', { trainedOn: 1, metrics: { eval_loss: 0.5 } });
    await registry.post('/nodes/tiny%2Fgerman%2Fold/archive', {});
  });
  afterAll(() => registry.remove());

  test.each<[Query, string[]]>([
    [{}, ['tiny/french', 'tiny/german', 'tiny/french/legal', 'tiny/german/legal-assistant', 'tiny']],
    [{ text: 'legal' }, ['tiny/french/legal', 'tiny/german/legal-assistant']],
    [{ text: 'LEG' }, ['tiny/french/legal', 'tiny/german/legal-assistant']],
    [{ text: 'assist' }, ['tiny/german/legal-assistant']],
    [{ text: 'egal' }, []],
    [{ text: 'francais moliere' }, ['tiny/french']],
    [{ text: 'FRANÇAIS' }, ['tiny/french']],
    [{ text: 'v2' }, ['tiny/german']],
    [{ text: 'verne' }, ['tiny/french']],
    [{ text: 'french naut' }, ['tiny/french']],
    [{ text: 'second first' }, ['tiny/french']],
    [{ text: 'legal zeppelin' }, []],
    [{ text: '日本' }, ['tiny/german/legal-assistant']],
    [{ text: `o'brien "quoted" \\back 100%` }, ['tiny/german/legal-assistant']],
    [{ text: "' | !x:* & (" }, []],
    [{ tag: 'public' }, ['tiny/french', 'tiny/french/legal']],
    [{ tag: 'public', archived: true }, ['tiny/french', 'tiny/french/legal', 'tiny/german/old']],
    [{ tag: ['public', 'draft'] }, ['tiny/french']],
    [{ tag: ['draft', 'best'] }, []],
    [{ tag: 'best' }, ['tiny/german']],
    [{ tag: 'bes' }, []],
    // Of the head, which is the first revision still.
    [{ metric: 'eval_loss:0.6..' }, ['tiny/french']],
    [{ metric: 'eval_loss:..0.5' }, ['tiny/german', 'tiny/french/legal', 'tiny/german/legal-assistant']],
    [{ metric: 'eval_loss:0.5..0.5' }, ['tiny/french/legal', 'tiny/german/legal-assistant']],
    [{ metric: 'eval_loss:-1e1..-2' }, ['tiny/german']],
    [{ metric: ['eval_loss:..', 'bleu:25..'] }, ['tiny/french/legal']],
    [{ metric: 'none:..' }, []],
    [{ stale: true }, []],
    [{ stale: false, tag: 'public' }, ['tiny/french', 'tiny/french/legal']],
    [{ under: 'tiny/french' }, ['tiny/french', 'tiny/french/legal']],
    [{ under: 'tiny/german', text: 'legal' }, ['tiny/german/legal-assistant']],
    [{ under: 'tiny/german/old' }, []],
  ])('%j', async (query, expected) => {
    expect((await paths(query)).sort()).toEqual(expected.sort());
    expect((await paths({ ...query, limit: 1 })).sort()).toEqual(expected.sort());
  });

  test('by the time of creation', async () => {
    const late = ['tiny/german/legal-assistant'];
    expect(await paths({ createdAfter: middle })).toEqual(late);
    expect(await paths({ createdBefore: middle })).not.toContain(late[0]);
    expect(await paths({ createdAfter: middle, createdBefore: middle })).toEqual([]);
    const inParis = middle.replace(/T(\d\d)/, (_, hour: string) => `T${String(Number(hour) + 1).padStart(2, '0')}`);
    if (!inParis.includes('T24')) {
      expect(await paths({ createdAfter: inParis.replace('Z', '+01:00') })).toEqual(late);
    }
  });

  test('in any order', async () => {
    const nodes = (await registry.get<Page<NodeDto>>('/nodes?limit=1000')).data;
    for (const by of ['name', 'createdAt', 'updatedAt'] as const) {
      const sorted = nodes.toSorted((a, b) => (a[by] < b[by] || (a[by] === b[by] && a.id < b.id) ? -1 : 1));
      const expected = sorted.map(({ path }) => path);
      for (const limit of [1, 2, 100]) {
        expect(await paths({ sort: by, limit })).toEqual(expected);
        expect(await paths({ sort: by, order: 'desc', limit })).toEqual(expected.toReversed());
      }
    }
    const found = await search({ sort: 'metric:eval_loss', limit: 2 });
    expect(found.map(({ metrics }) => metrics['eval_loss'])).toEqual([-2, 0.5, 0.5, 0.9]);
    expect(found.at(-1)).toMatchObject({ path: 'tiny/french', metrics: { eval_loss: 0.9, bleu: 20 } });
    const worst = await paths({ sort: 'metric:eval_loss', order: 'desc', metric: 'eval_loss:0..0.7', limit: 1 });
    expect(worst.sort()).toEqual(['tiny/french/legal', 'tiny/german/legal-assistant']);
    expect(await paths({ sort: 'metric:eval_loss', under: 'tiny/french' })).toEqual([
      'tiny/french/legal',
      'tiny/french',
    ]);
  });

  test('follows what changes: heads, tags, names, descriptions, places, what is deleted', async () => {
    await registry.post('/nodes/tiny%2Ffrench/promote', { revision: 2 });
    expect((await paths({ stale: true })).sort()).toEqual(['tiny/french/legal']);
    expect(await paths({ stale: true, text: 'french' })).toEqual([]);
    expect(await paths({ metric: 'eval_loss:..0.2', tag: 'public' })).toEqual(['tiny/french']);

    const { data } = await registry.get<Page<{ id: string }>>('/nodes/tiny%2Ffrench/revisions');
    await registry.call(`/revisions/${data[0]!.id}/tags`, 200, { method: 'PUT', json: { tags: ['kept'] } });
    expect(await paths({ tag: 'draft' })).toEqual([]);
    expect(await paths({ tag: ['kept', 'public'] })).toEqual(['tiny/french']);
    await registry.call('/nodes/tiny%2Ffrench', 200, {
      method: 'PATCH',
      json: { tags: [], description: 'changed words' },
    });
    expect(await paths({ tag: 'public' })).toEqual(['tiny/french/legal']);
    expect(await paths({ tag: 'kept' })).toEqual(['tiny/french']);
    expect(await paths({ text: 'moliere' })).toEqual([]);
    expect(await paths({ text: 'changed verne' })).toEqual(['tiny/french']);

    await registry.post('/nodes/tiny%2Ffrench%2Flegal/move', { path: 'tiny/french/courts' });
    expect(await paths({ text: 'legal' })).toEqual(['tiny/german/legal-assistant']);
    expect(await paths({ text: 'court' })).toEqual(['tiny/french/courts']);
    await registry.call('/nodes/tiny%2Fgerman%2Flegal-assistant', 200, { method: 'DELETE' });
    expect(await paths({ text: 'legal' })).toEqual([]);
    await registry.post('/nodes/tiny%2Fgerman%2Fold/restore', {});
    expect(await paths({ tag: 'public' })).toEqual(['tiny/french/courts', 'tiny/german/old']);
  });

  test('shows a key its subtree alone', async () => {
    const body = { name: 'bound', scopes: ['read'], subtree: 'tiny/french' };
    const { key } = await registry.post<{ key: string }>('/keys', body, 201);
    expect((await paths({}, key)).sort()).toEqual(['tiny/french', 'tiny/french/courts']);
    expect(await paths({ tag: 'best' }, key)).toEqual([]);
    expect(await paths({ sort: 'metric:eval_loss' }, key)).toEqual(['tiny/french', 'tiny/french/courts']);
    const { status } = await registry.service.call('/api/v1/search?under=tiny%2Fgerman', { key });
    expect(status).toBe(404);
    expect((await registry.service.call('/api/v1/search', { key: registry.service.keys.infer })).status).toBe(403);
  });

  test.each<[Query, string]>([
    [{ text: '...' }, 'text'],
    [{ text: 'a b c d e f g h i j k' }, 'text'],
    [{ text: 'x'.repeat(201) }, 'text'],
    [{ tag: 'a b' }, 'tag'],
    [{ metric: 'loss' }, 'metric'],
    [{ metric: 'loss:a..b' }, 'metric'],
    [{ metric: 'loss:1e999..' }, 'metric'],
    [{ metric: "x'; DROP TABLE:.." }, 'metric'],
    [{ sort: 'size' }, 'sort'],
    [{ sort: 'metric:' }, 'sort'],
    [{ order: 'up' }, 'order'],
    [{ createdAfter: 'yesterday' }, 'createdAfter'],
    [{ stale: 'maybe' }, 'stale'],
    [{ cursor: 'nonsense' }, 'cursor'],
    [{ cursor: Buffer.from('["name asc","\\u0000","x"]').toString('base64url') }, 'cursor'],
    [{ sort: 'createdAt', cursor: Buffer.from('["createdAt asc","x","y"]').toString('base64url') }, 'cursor'],
    [{ sort: 'createdAt', cursor: Buffer.from('["name asc","x","y"]').toString('base64url') }, 'cursor'],
    [{ colour: 'red' }, 'colour'],
  ])('refuses %j', async (query, param) => {
    const { status, body } = await registry.service.call<{ error: { code: string; param: string } }>(
      `/api/v1/search?${parameters(query)}`,
    );
    expect(status).toBe(400);
    expect(body.error.code).toBe('invalid_request');
    expect(body.error.param.split('[')[0]).toBe(param);
  });

  test('refuses a node that is not there', async () => {
    expect(await refusal({ under: 'tiny/frensh' })).toMatchObject({ status: 404, code: 'path_not_found' });
  });
});

/** Written by SQL, which the embedded database takes from nobody else. */
(onPostgres ? describe : describe.skip)('a search of 30,000 nodes', () => {
  const COUNT = 30_000;

  beforeAll(async () => {
    registry = await TinyRegistry.start();
    const client = new pg.Client({ connectionString: registry.service.env['DATABASE_URL'] });
    await client.connect();
    const { rows } = await client.query<{ id: string; modelId: string }>('SELECT "id", "modelId" FROM "Node"');
    const { id, modelId } = rows[0]!;
    // 100 nodes, each with 299 below; every third node has a head, every 50th of those is stale.
    await client.query(
      `INSERT INTO "Node" ("id", "modelId", "parentId", "name", "description", "tags", "createdAt", "updatedAt")
       SELECT 'N' || lpad(n::text, 25, '0'), $1,
         CASE WHEN n < 100 THEN $2 ELSE 'N' || lpad((n % 100)::text, 25, '0') END,
         'node-' || lpad(((n::bigint * 7919) % 30011)::text, 5, '0'),
         CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END || CASE WHEN n % 1000 = 7 THEN ' rare' ELSE '' END,
         CASE WHEN n % 3 = 0 THEN ARRAY['third'] ELSE ARRAY[]::text[] END,
         timestamp '2025-01-01' + (n / 3) * interval '1 minute', now()
       FROM generate_series(0, ${COUNT - 1}) AS n`,
      [modelId, id],
    );
    await client.query(
      `INSERT INTO "Revision" ("id", "nodeId", "number", "digest", "rank", "bytes", "configBlob", "weightsBlob", "targets", "warnings")
       SELECT 'R' || substr("id", 2), "id", 1, 'd' || "id", 8, 1, 'c', 'w', '{}', ARRAY[]::text[]
       FROM "Node" WHERE CASE WHEN "id" LIKE 'N0%' THEN substr("id", 2)::int % 3 = 0 END`,
    );
    await client.query(`UPDATE "Node" SET "headId" = 'R' || substr("id", 2)
       WHERE CASE WHEN "id" LIKE 'N0%' THEN substr("id", 2)::int % 3 = 0 END`);
    await client.query(`UPDATE "Revision" r SET "trainedOnId" = p."headId" FROM "Node" n JOIN "Node" p ON p."id" = n."parentId"
       WHERE r."nodeId" = n."id" AND CASE WHEN n."id" LIKE 'N0%' THEN substr(n."id", 2)::int % 50 <> 0 END`);
    await client.query(`INSERT INTO "RevisionMetric" ("revisionId", "name", "value")
       SELECT "id", 'loss', (substr("id", 2)::int % 5000) / 10.0 FROM "Revision"`);
    await client.query('ANALYZE');
    await client.end();
    await registry.service.stop();
    await registry.service.launch();
  });

  const numberOf = ({ id }: { id: string }) => (id.startsWith('N') ? Number(id.slice(1)) : -1);
  const all = Array.from({ length: COUNT }, (_, n) => n);
  const parent = (n: number) => (n < 100 ? null : n % 100);
  const hasHead = (n: number) => n % 3 === 0;
  /** As the rows were written. */
  const staleItself = (n: number): boolean => {
    const above = parent(n);
    if (!hasHead(n)) return false;
    const parentHead = above !== null && hasHead(above);
    return n % 50 === 0 && parentHead;
  };
  const stale = (n: number): boolean => {
    const above = parent(n);
    return staleItself(n) || (above !== null && staleItself(above));
  };
  const loss = (n: number) => (n % 5000) / 10;

  test.each<[Query, (n: number) => boolean]>([
    [{ text: 'rare', limit: 7 }, (n) => n % 1000 === 7],
    [{ text: 'even odd' }, () => false],
    [{ text: 'even rare' }, () => false],
    [{ text: 'odd', tag: 'third', limit: 1000 }, (n) => n % 2 === 1 && n % 3 === 0],
    [
      { text: 'odd', metric: 'loss:10..11', limit: 10 },
      (n) => hasHead(n) && n % 2 === 1 && loss(n) >= 10 && loss(n) <= 11,
    ],
    [{ metric: 'loss:400..', limit: 1000, under: 'tiny' }, (n) => hasHead(n) && loss(n) >= 400],
    [{ stale: true, limit: 100 }, stale],
    [{ stale: true, text: 'even', limit: 100 }, (n) => stale(n) && n % 2 === 0],
    [{ stale: false, text: 'rare' }, (n) => !stale(n) && n % 1000 === 7],
    [
      { createdAfter: '2025-01-07T22:00:00Z', createdBefore: '2025-02-01T00:00:00Z' },
      (n) => Math.floor(n / 3) >= 10_000 - 40,
    ],
    [{ text: 'node', limit: 1000, tag: 'third' }, (n) => n % 3 === 0],
  ])('%j', async (query, expected) => {
    const numbers = all.filter(expected);
    for (const sort of ['name', 'createdAt', 'metric:loss']) {
      const found = await search({ sort, ...query });
      const wanted = sort === 'name' || sort === 'createdAt' ? numbers : numbers.filter(hasHead);
      expect(found.map(numberOf).sort((a, b) => a - b)).toEqual(wanted);
      const keys = found.map((node) =>
        sort === 'name' ? node.name : sort === 'createdAt' ? node.createdAt : node.metrics['loss']!,
      );
      expect(keys).toEqual(keys.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    }
  });

  test('under one of them', async () => {
    const under = (await registry.get<NodeDto>(`/nodes/N${'8'.padStart(25, '0')}`)).path;
    const expected = all.filter((n) => n === 8 || (n >= 100 && n % 100 === 8));
    const found = await search({ under, sort: 'createdAt', order: 'desc', limit: 17 });
    expect(found.map(numberOf)).toEqual(expected.toReversed());
  });
});
