import { interleave } from '../../../src/completions/interleave.js';

async function* count(name: string, to: number, log: string[] = []): AsyncGenerator<string> {
  try {
    for (let at = 1; at <= to; at++) {
      await Promise.resolve();
      log.push(`${name}${at}`);
      yield `${name}${at}`;
    }
  } finally {
    log.push(`${name} left`);
  }
}

async function* failing(): AsyncGenerator<string> {
  yield 'x1';
  await Promise.resolve();
  throw new Error('broken');
}

test('gives all items, each sequence in its order', async () => {
  const items: string[] = [];
  for await (const item of interleave([count('a', 3), count('b', 1), count('c', 0)])) items.push(item);
  expect([...items].sort()).toEqual(['a1', 'a2', 'a3', 'b1']);
  expect(items.filter((item) => item.startsWith('a'))).toEqual(['a1', 'a2', 'a3']);
});

test('nothing runs ahead of the reader by more than an item', async () => {
  const log: string[] = [];
  const merged = interleave([count('a', 100, log)]);
  await merged.next();
  await merged.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toEqual(['a1', 'a2']);
});

test('leaving early leaves all of them', async () => {
  const log: string[] = [];
  for await (const item of interleave([count('a', 100, log), count('b', 100, log)])) if (item === 'b3') break;
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toContain('a left');
  expect(log).toContain('b left');
});

test('an error of one is thrown, and leaves the others', async () => {
  const log: string[] = [];
  const read = async (): Promise<void> => {
    for await (const item of interleave([count('a', 1_000_000, log), failing()])) log.push(item);
  };
  await expect(read()).rejects.toThrow('broken');
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toContain('a left');
});

test('nothing at all ends at once', async () => {
  expect(await interleave([]).next()).toEqual({ done: true, value: undefined });
});
