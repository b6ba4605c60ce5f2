/** A service that is full: one place in the batch, none to wait in. */
import type { TestService } from './support/service.js';
import { startWithSmallTree } from './support/small-tree.js';

let service: TestService;
beforeAll(async () => {
  ({ service } = await startWithSmallTree({ ESPALIER_MAX_ROWS: '1', ESPALIER_MAX_WAITING: '0' }));
}, 180_000);
afterAll(() => service.remove(), 30_000);

const complete = (json: object, signal?: AbortSignal): Promise<Response> =>
  fetch(`${service.url}/v1/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.keys.infer}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'story/french', prompt: 'Le capitaine', ...json }),
    signal,
  });

test('turns requests away with a time to come back, and serves again once there is room', async () => {
  const leaving = new AbortController();
  // The answer begins with the first token, so the place is taken from here on.
  await complete({ max_tokens: 1000, ignore_eos: true, stream: true }, leaving.signal);
  const refused = await complete({ max_tokens: 1 });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(await refused.json()).toMatchObject({ error: { code: 'overloaded' } });

  leaving.abort();
  let status = 429;
  for (let tries = 0; status === 429 && tries < 200; tries++) {
    status = (await complete({ max_tokens: 1 })).status;
    if (status === 429) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(status).toBe(200);
}, 60_000);
