/** Completions over plain HTTP: what the official client hides. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startWithSmallTree, type SmallTree } from './support/small-tree.js';

let tree: SmallTree;
beforeAll(async () => {
  tree = await startWithSmallTree({ ESPALIER_TOKENIZE_TIMEOUT_MS: '1000', ESPALIER_MAX_PROMPT_BYTES: '3000000' });
}, 130_000);
afterAll(() => tree.service.remove(), 30_000);

interface ErrorAnswer {
  error: { code: string; param: string | null; message: string };
}
interface Completion {
  choices: { text: string; finish_reason: string; logprobs: { tokens: string[] } | null }[];
  usage: { prompt_tokens: number; completion_tokens: number };
}

const complete = (json: object) =>
  tree.service.call<Completion>('/v1/completions', { json: { model: 'story', temperature: 0, ...json } });
const refuse = async (json: object, path = '/v1/completions') => {
  const { status, body } = await tree.service.call<ErrorAnswer>(path, { json });
  return { status, code: body.error.code, param: body.error.param };
};

/** Rows that the engine runs or has waiting, by its own statistics. */
async function rows(): Promise<number> {
  const { body } = await tree.service.call<string>('/metrics');
  return ['running', 'waiting']
    .map((state) => Number(new RegExp(`^espalier_engine_rows_${state} (\\d+)$`, 'm').exec(body)?.[1] ?? NaN))
    .reduce((sum, count) => sum + count);
}

/** Waits until a statistic says so; the test's own time limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(100);
}

describe('a stream on the wire', () => {
  test('is server-sent events with the headers that proxies need, and ends in [DONE]', async () => {
    const json = { model: 'story', prompt: 'The', max_tokens: 4, stream: true };
    const response = await tree.service.fetch('/v1/completions', { json });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    expect(response.headers.get('x-espalier-path-digest')).toMatch(/^[0-9a-f]{64}$/);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe(String(16 + 256));
    expect(Number(response.headers.get('x-ratelimit-remaining-requests'))).toBeGreaterThan(0);
    const text = await response.text();
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    for (const event of text.split('\n\n').slice(0, -2)) {
      expect(event.startsWith('data: {')).toBe(true);
      expect(() => JSON.parse(event.slice('data: '.length)) as unknown).not.toThrow();
    }
  });

  test('begins only once the request runs: errors are ordinary answers', async () => {
    const json = { model: 'story', prompt: 'The', max_tokens: 100_000, stream: true };
    const response = await tree.service.fetch('/v1/completions', { json });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toContain('application/json');
  });
});

describe('a client that goes away', () => {
  /** A raw connection that has sent a request. */
  function send(json: object): Promise<ReturnType<typeof connect>> {
    const { port, hostname } = new URL(tree.service.url);
    const body = JSON.stringify(json);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${tree.service.keys.infer}\r\n` +
            `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
        resolve(socket);
      });
      socket.on('error', reject);
    });
  }
  const long = { model: 'story', prompt: 'The', max_tokens: 480, ignore_eos: true, n: 4 };

  test.each([
    ['while it reads a stream', { ...long, stream: true }],
    ['while it waits for an answer', long],
  ])(
    '%s takes its rows out of the batch',
    async (_, json) => {
      const socket = await send(json);
      await until(async () => (await rows()) > 0);
      socket.destroy();
      await until(async () => (await rows()) === 0);
      const { body } = await tree.service.call<string>('/metrics');
      const generated = Number(/^espalier_generated_tokens_total (\d+)$/m.exec(body)?.[1]);
      expect(generated).toBeLessThan(2 * 4 * 480);
    },
    60_000,
  );
});

describe('what users type', () => {
  test('makes no special token', async () => {
    const [plain, special] = await Promise.all(
      ['x', 'x<|endoftext|>x'].map(async (prompt) => complete({ prompt, max_tokens: 1, echo: true, logprobs: 0 })),
    );
    const tokens = special!.body.choices[0]!.logprobs!.tokens;
    // The one at the start is the tokenizer's own.
    expect(tokens.filter((token) => token === '<|endoftext|>')).toHaveLength(1);
    expect(special!.body.choices[0]!.text.startsWith('x<|endoftext|>x')).toBe(true);
    expect(special!.body.usage.prompt_tokens).toBeGreaterThan(plain!.body.usage.prompt_tokens + 2);
  });

  test('an empty prompt begins a text', async () => {
    const { status, body } = await complete({ prompt: '', max_tokens: 2 });
    expect(status).toBe(200);
    expect(body.usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 2 });
  });

  test('too much of it is refused', async () => {
    expect(await refuse({ model: 'story', prompt: 'é'.repeat(1_500_001) })).toMatchObject({
      status: 413,
      code: 'prompt_too_large',
    });
    expect(await refuse({ model: 'story', prompt: 'word '.repeat(2000) })).toEqual({
      status: 400,
      code: 'context_length_exceeded',
      param: 'prompt',
    });
  });

  test('a megabyte of one letter is given up, and others are served', async () => {
    const [hostile, harmless] = await Promise.all([
      refuse({ model: 'story', prompt: 'a'.repeat(2_500_000) }),
      complete({ prompt: 'The', max_tokens: 1 }),
    ]);
    expect(hostile).toMatchObject({ status: 400, code: 'tokenization_timeout' });
    expect(harmless.status).toBe(200);
  }, 30_000);
});

test('characters in several tokens come whole', async () => {
  // 🙂 in bytes is four tokens of the demo's tokenizer: only these may be chosen, in turn, by forcing each.
  const { body } = await complete({ prompt: '🙂🙂🙂🙂', max_tokens: 16, logprobs: 0, echo: true });
  expect(body.choices[0]!.text.startsWith('🙂🙂🙂🙂')).toBe(true);
  const json = { model: 'story', prompt: '🙂🙂🙂🙂', max_tokens: 16, temperature: 0, stream: true };
  const text = await (await tree.service.fetch('/v1/completions', { json })).text();
  const streamed = text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => (JSON.parse(event.slice(6)) as Completion).choices[0]!.text)
    .join('');
  expect(streamed).toBe(body.choices[0]!.text.slice('🙂🙂🙂🙂'.length));
});

describe('models', () => {
  interface List {
    data: { id: string }[];
    has_more: boolean;
    last_id: string;
  }

  test('come in pages', async () => {
    const ids: string[] = [];
    let after = '';
    for (let page = 0; page < 10; page++) {
      const { body } = await tree.service.call<List>(`/v1/models?limit=3${after}`);
      ids.push(...body.data.map(({ id }) => id));
      expect(body.data.length).toBeLessThanOrEqual(3);
      if (!body.has_more) break;
      after = `&after=${encodeURIComponent(body.last_id)}`;
    }
    expect(ids.sort()).toEqual(['story', 'story/french', 'story/french/verne', 'story/german']);
  });

  test.each(['%', '%zz', '', 'story//french', 'STORY'])(
    'an id that is none is the caller\'s mistake: "%s"',
    async (id) => {
      const { status } = await tree.service.call(`/v1/models/${id}`);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    },
  );

  test.each(['story/french/verne', 'story%2Ffrench%2Fverne', 'story'])('one by id: %s', async (id) => {
    const { status, body, headers } = await tree.service.call(`/v1/models/${id}`);
    expect(status).toBe(200);
    expect(body['id']).toBe(decodeURIComponent(id));
    expect(headers.get('x-espalier-path-digest')).toMatch(/^[0-9a-f]{64}$/);
  });
});
