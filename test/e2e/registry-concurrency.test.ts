/** Many writers on one node, and heads that move while somebody is being answered. */
import { jest } from '@jest/globals';
import { createParser } from 'eventsource-parser';
import type { AliasDto } from '../../src/registry/aliases/alias.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { ResolutionDto } from '../../src/registry/dto/resolution.dto.js';
import type { HeadMoveDto } from '../../src/registry/history/history.dto.js';
import type { ErrorBody } from './support/tiny-registry.js';
import { TinyRegistry } from './support/tiny-registry.js';
import { created, startWithSmallTree, type SmallTree } from './support/small-tree.js';

// Not for speed: only a service that hangs takes so long.
jest.setTimeout(180_000);

const WRITERS = 50;
const ROUNDS = 3;

describe('fifty writers on one node', () => {
  let registry: TinyRegistry;
  const node = `/nodes/${encodeURIComponent('tiny/race')}`;
  const alias = `${node}/aliases/production`;
  beforeAll(async () => {
    registry = await TinyRegistry.start();
    for (const seed of [1, 2, 3, 4]) await registry.push('tiny/race', { seed });
  }, 130_000);
  afterAll(() => registry.remove());

  /** All at once, each with the version that all have seen: the one that came first, and how the others were refused. */
  async function race<T extends { version: number }>(
    path: string,
    method: string,
    version: number,
    revisions: readonly number[],
  ): Promise<T> {
    const answers = await Promise.all(
      Array.from({ length: WRITERS }, (_, i) =>
        registry.service.call<T & ErrorBody>(`/api/v1${path}`, {
          method,
          json: { revision: revisions[i % revisions.length] },
          headers: { 'if-match': `"${version}"` },
        }),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    const lost = answers.filter(({ status }) => status === 412);
    expect([won.length, lost.length]).toEqual([1, WRITERS - 1]);
    const [winner] = won;
    if (!winner) throw new Error('nobody won');
    for (const { body } of lost) {
      expect(body.error).toMatchObject({ code: 'version_conflict', details: { version: winner.body.version } });
    }
    return winner.body;
  }

  test('promote: one a round wins, and the history holds the winners in their order', async () => {
    const winners: (number | undefined)[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { version, head } = await registry.get<NodeDto>(node);
      const others = [1, 2, 3, 4].filter((number) => number !== head?.number);
      const won = await race<NodeDto>(`${node}/promote`, 'POST', version, others);
      expect(won.version).toBe(version + 1);
      expect(await registry.get<NodeDto>(node)).toMatchObject({
        version: version + 1,
        head: { number: won.head?.number },
      });
      winners.unshift(won.head?.number);
    }
    const { data } = await registry.get<Page<HeadMoveDto>>(`${node}/history`);
    expect(data.map(({ revision }) => revision?.number)).toEqual([...winners, 1]);
  });

  test('move an alias: one a round wins', async () => {
    await registry.call(alias, 201, { method: 'PUT', json: { revision: 1 } });
    for (let round = 0; round < ROUNDS; round++) {
      const before = (await registry.get<Page<AliasDto>>(`${node}/aliases`)).data[0]!;
      const others = [1, 2, 3, 4].filter((number) => number !== before.revision.number);
      const won = await race<AliasDto>(alias, 'PUT', before.version, others);
      expect((await registry.get<Page<AliasDto>>(`${node}/aliases`)).data).toMatchObject([
        { version: before.version + 1, revision: { number: won.revision.number } },
      ]);
      const { steps } = await registry.get<ResolutionDto>(`/resolve?path=tiny/race@production`);
      expect(steps[0]?.revision?.number).toBe(won.revision.number);
    }
  });

  test('make an alias without having seen it: it is made once, and all know it', async () => {
    const answers = await Promise.all(
      Array.from({ length: WRITERS }, () =>
        registry.service.call(`/api/v1${node}/aliases/fresh`, { method: 'PUT', json: { revision: 2 } }),
      ),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).toHaveLength(WRITERS - 1);
    expect(answers.every(({ body }) => body['version'] === 1)).toBe(true);
  });

  test('recall one revision: one does it, and the others are told', async () => {
    const { head } = await registry.get<NodeDto>(node);
    const answers = await Promise.all(
      Array.from({ length: WRITERS }, () =>
        registry.service.call(`/api/v1${node}/recall`, { json: { revision: head?.number, reason: 'bad' } }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: WRITERS }, () => 200));
    expect(answers.filter(({ body }) => body['unchanged'] === false)).toHaveLength(1);
  });
});

describe('a stream that runs', () => {
  let tree: SmallTree;
  beforeAll(async () => {
    tree = await startWithSmallTree();
    const { service, folder } = tree;
    // The other node's adapter: another digest.
    await created(service, '/api/v1/revisions', { path: 'story/french', folder: `${folder}/2` });
  }, 130_000);
  afterAll(() => tree.service.remove());

  interface Chunk {
    system_fingerprint: string;
    choices: { text: string }[];
  }

  /** Runs `during` once the first text has come. */
  async function stream(model: string, during: () => Promise<void>) {
    const json = { model, prompt: 'Once', max_tokens: 200, temperature: 0, stream: true, ignore_eos: true };
    const response = await tree.service.fetch('/v1/completions', { json });
    const chunks: Chunk[] = [];
    let isDone = false;
    const parser = createParser({
      onEvent: ({ data }) => {
        if (data === '[DONE]') isDone = true;
        else chunks.push(JSON.parse(data) as Chunk);
      },
    });
    const decoder = new TextDecoder();
    let begun = false;
    if (!response.body) throw new Error('no stream');
    for await (const piece of response.body) {
      parser.feed(decoder.decode(piece as Uint8Array, { stream: true }));
      if (begun || chunks.length === 0) continue;
      begun = true;
      expect(isDone).toBe(false);
      await during();
    }
    expect(isDone).toBe(true);
    return {
      digest: response.headers.get('x-espalier-path-digest'),
      fingerprints: [...new Set(chunks.map((chunk) => chunk.system_fingerprint))],
      text: chunks.map(({ choices }) => choices[0]?.text ?? '').join(''),
    };
  }

  const act = async (what: string, json: object) => {
    const { status } = await tree.service.call(`/api/v1/nodes/story%2Ffrench/${what}`, { json });
    expect(status).toBe(200);
  };

  test('keeps the revisions that it began with; the next request has the new ones', async () => {
    const quiet = await stream('story/french', () => Promise.resolve());
    const disturbed = await stream('story/french', () => act('promote', { revision: 2 }));
    expect(disturbed).toEqual(quiet);
    expect(disturbed.fingerprints).toHaveLength(1);
    const next = await stream('story/french', () => Promise.resolve());
    expect(next.digest).not.toBe(quiet.digest);
    expect(next.fingerprints).not.toEqual(quiet.fingerprints);
    expect(next.text).not.toBe(quiet.text);

    // A recall too; and what it falls back to is what was served first.
    const recalled = await stream('story/french', () => act('recall', { revision: 2, reason: 'bad' }));
    expect(recalled).toEqual(next);
    expect(await stream('story/french', () => Promise.resolve())).toEqual(quiet);
  });

  test('on a child that is pinned keeps a revision that is recalled meanwhile, and only then', async () => {
    const pinned = await stream('story/french/verne', () => Promise.resolve());
    const disturbed = await stream('story/french/verne', () =>
      act('recall', { revision: 1, reason: 'bad', fallback: null }),
    );
    expect(disturbed).toEqual(pinned);
    const next = await stream('story/french/verne', () => Promise.resolve());
    expect(next.digest).not.toBe(pinned.digest);
    await act('unrecall', { revision: 1 });
    expect(await stream('story/french/verne', () => Promise.resolve())).toEqual(pinned);
  });
});
