// Perplexity of the held-out texts under every path of the demo, as a markdown table, measured through /v1/score of a
// running service:
//
//     node examples/storyteller/perplexity.mjs
//
// URL and key: ESPALIER_URL and ESPALIER_KEY, else http://127.0.0.1:8100 and data/keys/infer.key. Each text is cut at
// white space into pieces of about 1,500 characters; a piece is scored whole, after the end-of-text token. Perplexity is
// e^(mean negative log-likelihood of a token) over all pieces of a text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const url = process.env.ESPALIER_URL ?? 'http://127.0.0.1:8100';
const key = process.env.ESPALIER_KEY ?? readFileSync(join(here, '../../data/keys/infer.key'), 'utf8').trim();

const PIECE_CHARACTERS = 1500;
/** Path → the text of heldout/ that is its own. */
const TEXTS = {
  storyteller: 'english',
  'storyteller/french': 'french',
  'storyteller/german': 'german',
  'storyteller/spanish': 'spanish',
  'storyteller/doyle': 'doyle',
  'storyteller/french/verne': 'verne',
  'storyteller/german/kafka': 'kafka',
  'storyteller/spanish/galdos': 'galdos',
};
const paths = Object.keys(TEXTS);

/** text → pieces that end at white space. */
function pieces(text) {
  const found = [];
  for (let rest = text.trim(); rest !== '';) {
    const cut = rest.length <= PIECE_CHARACTERS ? rest.length : rest.lastIndexOf(' ', PIECE_CHARACTERS);
    found.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return found;
}

/** Perplexity of a text under each path. */
async function perplexities(text) {
  const sums = paths.map(() => 0);
  let tokens = 0;
  for (const piece of pieces(text)) {
    const response = await fetch(`${url}/v1/score`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ models: paths, text: piece }),
    });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error.message);
    body.data.forEach((score, i) => (sums[i] -= score.log_likelihood));
    tokens += body.data[0].tokens;
  }
  return { tokens, values: sums.map((sum) => Math.exp(sum / tokens)) };
}

const short = (path) => path.replace('storyteller/', '');
console.log(`| text | tokens | ${paths.map(short).join(' | ')} | own path against its parent |`);
console.log(`| --- | --: |${' --: |'.repeat(paths.length + 1)}`);
for (const [own, name] of Object.entries(TEXTS)) {
  const { tokens, values } = await perplexities(readFileSync(join(here, 'heldout', `${name}.txt`), 'utf8'));
  const at = (path) => values[paths.indexOf(path)];
  const cells = paths.map((path) => (path === own ? `**${at(path).toFixed(1)}**` : at(path).toFixed(1)));
  const parent = own.split('/').slice(0, -1).join('/');
  const gain = parent === '' ? '' : `${(100 * (at(own) / at(parent) - 1)).toFixed(1)} %`.replace('-', '−');
  console.log(`| ${name} | ${tokens} | ${cells.join(' | ')} | ${gain} |`);
}
