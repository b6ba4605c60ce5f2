/** A subscription on one instance hears of what another commits. Needs ESPALIER_TEST_DATABASE_URL. */
import { jest } from '@jest/globals';
import { GraphqlCaller } from './support/graphql.js';
import { onPostgres } from './support/postgres.js';
import { TwoInstances } from './support/two-instances.js';

jest.setTimeout(180_000);

(onPostgres ? test : test.skip)('a subscriber hears within a second of what another instance commits', async () => {
  const both = await TwoInstances.start();
  const client = new GraphqlCaller(both.second, both.key).socket();
  try {
    const connected = new Promise<void>((resolve) => client.on('connected', () => resolve()));
    const changes = client.iterate<{ treeChanged: { action: string; node: { path: string } } }>({
      query: 'subscription { treeChanged { action node { path } } }',
    });
    await connected;
    await new Promise((resolve) => setTimeout(resolve, 500));
    await both.first.post('/nodes', { path: 'tiny/told' }, 201);
    const committed = Date.now();
    const { value } = (await changes.next()) as { value: { data: unknown } };
    expect(Date.now() - committed).toBeLessThan(1_000);
    expect(value.data).toEqual({ treeChanged: { action: 'node.create', node: { path: 'tiny/told' } } });
  } finally {
    await client.dispose();
    await both.remove();
  }
});
