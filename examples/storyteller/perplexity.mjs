// Perplexity of the held-out texts under every path of the demo, as a markdown table, measured through /v1/score of a
// running service:
//
//     node examples/storyteller/perplexity.mjs
//     node examples/storyteller/perplexity.mjs --quantized
//
// The second imports base and adapters once more for each way to quantise the base, as storyteller-int8_symmetric and so
// on, and compares each path on its own text over all of them; it takes an admin's key.
//
// URL and key: ESPALIER_URL and ESPALIER_KEY, else http://127.0.0.1:8100 and data/keys/infer.key (admin.key). Each text is cut at
// white space into pieces of about 1,500 characters; a piece is scored whole, after the end-of-text token. Perplexity is
// e^(mean negative log-likelihood of a token) over all pieces of a text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const url = process.env.ESPALIER_URL ?? 'http://127.0.0.1:8100';
const isQuantized = process.argv.includes('--quantized');
const keyFile = join(here, '../../data/keys', isQuantized ? 'admin.key' : 'infer.key');
const key = process.env.ESPALIER_KEY ?? readFileSync(keyFile, 'utf8').trim();

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

async function post(route, json) {
  const response = await fetch(`${url}${route}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error.message);
  return body;
}

const heldout = (name) => readFileSync(join(here, 'heldout', `${name}.txt`), 'utf8');

/** Perplexity of a text under each path. */
async function perplexities(text, models) {
  const sums = models.map(() => 0);
  let tokens = 0;
  for (const piece of pieces(text)) {
    const { data } = await post('/v1/score', { models, text: piece });
    data.forEach((score, i) => (sums[i] -= score.log_likelihood));
    tokens += data[0].tokens;
  }
  return { tokens, values: sums.map((sum) => Math.exp(sum / tokens)) };
}

/** Every text under every path. */
async function comparePaths() {
  const short = (path) => path.replace('storyteller/', '');
  console.log(`| text | tokens | ${paths.map(short).join(' | ')} | own path against its parent |`);
  console.log(`| --- | --: |${' --: |'.repeat(paths.length + 1)}`);
  for (const [own, name] of Object.entries(TEXTS)) {
    const { tokens, values } = await perplexities(heldout(name), paths);
    const at = (path) => values[paths.indexOf(path)];
    const cells = paths.map((path) => (path === own ? `**${at(path).toFixed(1)}**` : at(path).toFixed(1)));
    const parent = own.split('/').slice(0, -1).join('/');
    const gain = parent === '' ? '' : `${(100 * (at(own) / at(parent) - 1)).toFixed(1)} %`.replace('-', '−');
    console.log(`| ${name} | ${tokens} | ${cells.join(' | ')} | ${gain} |`);
  }
}

const QUANTIZATIONS = ['int8_symmetric', 'int8_asymmetric', 'int4_symmetric', 'int4_asymmetric'];

/** Every path on its own text, over every base. */
async function compareBases() {
  const { model, nodes } = JSON.parse(readFileSync(join(here, 'tree.json'), 'utf8'));
  for (const quantize of QUANTIZATIONS) {
    const name = `${model.name}-${quantize}`;
    const { unchanged } = await post('/api/v1/models', { name, folder: join(here, model.folder), quantize });
    if (unchanged) continue;
    for (const { path, folder } of nodes) {
      await post('/api/v1/revisions', { path: path.replace(model.name, name), folder: join(here, folder) });
    }
  }
  console.log(`| path | tokens | float32 | ${QUANTIZATIONS.join(' | ')} |`);
  console.log(`| --- | --: |${' --: |'.repeat(QUANTIZATIONS.length + 1)}`);
  for (const [own, name] of Object.entries(TEXTS)) {
    const models = [own, ...QUANTIZATIONS.map((form) => own.replace(model.name, `${model.name}-${form}`))];
    const { tokens, values } = await perplexities(heldout(name), models);
    const percent = (value) =>
      `${value < values[0] ? '−' : '+'}${Math.abs(100 * (value / values[0] - 1)).toFixed(2)} %`;
    const cells = values.slice(1).map((value) => `${value.toFixed(2)} (${percent(value)})`);
    console.log(`| ${own} | ${tokens} | ${values[0].toFixed(2)} | ${cells.join(' | ')} |`);
  }
}

await (isQuantized ? compareBases() : comparePaths());
