import { ChangeStream } from '../../../src/graphql/subscriptions/change-stream.js';

/** A stream, what it is fed by, and whether it is still subscribed. */
function stream(): { changes: ChangeStream<number>; push: (value: number) => void; subscribed: () => boolean } {
  let push: (value: number) => void = () => undefined;
  let subscribed = true;
  const changes = new ChangeStream<number>((feed) => {
    push = feed;
    return () => (subscribed = false);
  });
  return { changes, push: (value) => push(value), subscribed: () => subscribed };
}

test('what comes before it is asked for waits, in order', async () => {
  const { changes, push } = stream();
  push(1);
  push(2);
  expect(await changes.next()).toEqual({ value: 1, done: false });
  const [second, third] = [changes.next(), changes.next()];
  push(3);
  expect([await second, await third]).toEqual([
    { value: 2, done: false },
    { value: 3, done: false },
  ]);
});

test('a reader that waits is let go when the stream is ended from outside', async () => {
  const { changes, push, subscribed } = stream();
  const waiting = changes.next();
  await changes.return();
  expect(await waiting).toEqual({ value: undefined, done: true });
  expect(subscribed()).toBe(false);
  push(1);
  expect(await changes.next()).toEqual({ value: undefined, done: true });
});

test('a reader that is too far behind is told so, once, and the stream has ended', async () => {
  const { changes, push, subscribed } = stream();
  for (let i = 0; i <= 1_000; i++) push(i);
  expect(subscribed()).toBe(false);
  await expect(changes.next()).rejects.toMatchObject({ code: 'subscription_overflow' });
  expect(await changes.next()).toEqual({ value: undefined, done: true });
});

test('a thousand changes wait', async () => {
  const { changes, push } = stream();
  for (let i = 0; i < 1_000; i++) push(i);
  for (let i = 0; i < 1_000; i++) expect(await changes.next()).toEqual({ value: i, done: false });
});
