import fc from 'fast-check';
import { Choice, type ChoiceDelta, type ChoiceOptions } from '../../../src/completions/choice.js';
import type { RowOutput } from '../../../src/engine/protocol.js';
import { TokenTable } from '../../../src/tokenization/token-table.js';

/** Token t is the letter `a` + t; 26 to 29 are the bytes of 🙂; 30 is special. */
const table = (() => {
  const texts = Array.from({ length: 26 }, (_, t) => Buffer.from(String.fromCharCode(0x61 + t)));
  const smile = [...Buffer.from('🙂')].map((byte) => Buffer.of(byte));
  const all = [...texts, ...smile, Buffer.from('<end>')];
  const starts = new Uint32Array(all.length + 1);
  all.forEach((bytes, t) => (starts[t + 1] = starts[t]! + bytes.length));
  const special = new Uint8Array(all.length);
  special[30] = 1;
  return new TokenTable({ bytes: new Uint8Array(Buffer.concat(all)), starts, special, stripsFirstSpace: false });
})();
const END = 30;
const SMILE = [26, 27, 28, 29];
const tokensOf = (text: string): number[] =>
  Array.from(text).flatMap((letter) => (letter === '🙂' ? SMILE : [letter.charCodeAt(0) - 0x61]));

const defaults: ChoiceOptions = {
  index: 0,
  table,
  prompt: tokensOf('hi'),
  echo: null,
  logprobs: false,
  stops: [],
  stopTokenIds: [END],
  includeStop: false,
  minTokens: 0,
  keepSpecial: false,
};

const logprob = (token: number): RowOutput['logprob'] => ({ token, logprob: -token, top: [] });

/** As the engine would: one output a token, the last with `finish`. */
function outputs(tokens: number[], finish: RowOutput['finish']): RowOutput[] {
  return tokens.map((token, at) => ({
    id: 'row',
    token,
    logprob: logprob(token),
    ...(at === tokens.length - 1 ? { finish } : {}),
  }));
}

function run(options: Partial<ChoiceOptions>, rows: RowOutput[]): { deltas: ChoiceDelta[]; choice: Choice } {
  const choice = new Choice({ ...defaults, ...options });
  const deltas: ChoiceDelta[] = [];
  for (const row of rows) {
    if (choice.finished) break;
    const delta = choice.accept(row);
    if (delta) deltas.push(delta);
  }
  return { deltas, choice };
}

const textOf = (deltas: ChoiceDelta[]): string => deltas.map(({ text }) => text).join('');
const reported = (deltas: ChoiceDelta[]): [number, number | null, number][] =>
  deltas.flatMap(({ tokens }) =>
    tokens.map(({ token, logprob, offset }) => [token, logprob, offset] as [number, number | null, number]),
  );

test('text, finish reason and count of tokens', () => {
  const { deltas, choice } = run({}, outputs([...tokensOf('abc'), END], 'stop'));
  expect(textOf(deltas)).toBe('abc');
  expect(deltas.at(-1)).toMatchObject({ finish: 'stop', text: '' });
  expect(deltas.slice(0, -1).every(({ finish }) => finish === null)).toBe(true);
  expect(choice.completionTokens).toBe(4);
});

test('a token that only stops because the request says so gives no text, unless asked for', () => {
  const rows = outputs(tokensOf('abz'), 'stop');
  expect(textOf(run({ stopTokenIds: [25] }, rows).deltas)).toBe('ab');
  expect(textOf(run({ stopTokenIds: [25], includeStop: true }, rows).deltas)).toBe('abz');
});

test('a stop string ends the choice before the engine does, and takes its tokens along', () => {
  const { deltas, choice } = run({ stops: ['cd'], logprobs: true }, outputs(tokensOf('abcdef'), 'length'));
  expect(textOf(deltas)).toBe('ab');
  expect(deltas.at(-1)?.finish).toBe('stop');
  expect(choice.finished).toBe(true);
  expect(choice.completionTokens).toBe(4);
  expect(reported(deltas).map(([token]) => token)).toEqual(tokensOf('ab'));
});

test('stop strings wait for min_tokens', () => {
  const { deltas } = run({ stops: ['b'], minTokens: 3 }, outputs(tokensOf('abcabc'), 'length'));
  expect(textOf(deltas)).toBe('abca');
});

test('half a stop string at the end is text', () => {
  const { deltas } = run({ stops: ['cdx'], logprobs: true }, outputs(tokensOf('abcd'), 'length'));
  expect(textOf(deltas)).toBe('abcd');
  expect(deltas.at(-1)?.finish).toBe('length');
  expect(reported(deltas)).toHaveLength(4);
});

test('offsets count code points, and a character in several tokens begins with its first', () => {
  const { deltas } = run({ logprobs: true }, outputs(tokensOf('a🙂b'), 'length'));
  expect(textOf(deltas)).toBe('a🙂b');
  expect(reported(deltas).map(([, , offset]) => offset)).toEqual([0, 1, 1, 1, 1, 2]);
});

test('echo repeats the prompt, and reports its tokens once all are scored', () => {
  const prompt = tokensOf('xyz');
  const rows: RowOutput[] = [
    { id: 'row', promptLogprobs: [logprob(24)!] },
    { id: 'row', promptLogprobs: [logprob(25)!] },
    ...outputs(tokensOf('a'), 'length'),
  ];
  const { deltas } = run({ prompt, echo: 'xyz', logprobs: true }, rows);
  expect(textOf(deltas)).toBe('xyza');
  expect(deltas[0]).toMatchObject({ text: 'xyz', finish: null });
  expect(reported(deltas)).toEqual([
    [23, null, 0],
    [24, -24, 1],
    [25, -25, 2],
    [0, -0, 3],
  ]);
});

test('echo alone, with nothing generated', () => {
  const { deltas } = run({ prompt: tokensOf('xy'), echo: 'xy' }, [{ id: 'row', finish: 'length' }]);
  expect(deltas).toEqual([{ index: 0, text: 'xy', tokens: [], finish: 'length' }]);
});

test('whatever comes: pieces join to the text, and reported tokens cover it in order', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', 'c', '🙂'), { maxLength: 20 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(letters, stops, (written, stops) => {
      const whole = written.join('');
      const { deltas, choice } = run({ stops, logprobs: true }, outputs([...tokensOf(whole), END], 'stop'));
      const text = textOf(deltas);
      expect(choice.finished).toBe(true);
      expect(whole.startsWith(text)).toBe(true);
      expect(stops.some((stop) => text.includes(stop))).toBe(false);
      if (!stops.some((stop) => whole.includes(stop))) expect(text).toBe(whole);
      // Reported tokens are those of the text.
      expect(
        reported(deltas)
          .map(([token]) => token)
          .filter((token) => token !== END),
      ).toEqual(tokensOf(text));
    }),
  );
});
