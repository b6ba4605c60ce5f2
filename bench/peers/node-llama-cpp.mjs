// node-llama-cpp on a workload, on the CPU: one JSON line a figure, as README.md says.
//
//     node node-llama-cpp.mjs data/111m/workload.json data/111m/model.gguf
//
// The bare base only: its LoRA belongs to a context, so rows of one batch can't take different adapters.
import { readFileSync } from 'node:fs';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const ONE_BY_ONE = 4;
const [workloadFile, modelPath] = process.argv.slice(2);
const { name: workload, threads, newTokens, rows } = JSON.parse(readFileSync(workloadFile, 'utf8'));
const { version } = JSON.parse(
  readFileSync(new URL('node_modules/node-llama-cpp/package.json', import.meta.url), 'utf8'),
);

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });

/** Greedy: → how many tokens came out. */
async function generate(sequence, prompt) {
  await sequence.clearHistory();
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (++count === newTokens) break;
  }
  return count;
}

function report(name, group, requests, seconds, tokens) {
  if (tokens !== requests * newTokens) throw new Error(`${name}: ${tokens} tokens came out.`);
  const figure = {
    name,
    group,
    workload,
    tokensPerSecond: Number((tokens / seconds).toFixed(2)),
    requests,
    newTokens,
    seconds: Number(seconds.toFixed(3)),
    dtype: 'float32',
    threads,
    versions: { 'node-llama-cpp': version },
  };
  process.stdout.write(`${JSON.stringify(figure)}\n`);
}

const contextSize = rows[0].prompt.length + newTokens + 8;
for (const { name, group, batch, requests } of [
  { name: 'node-llama-cpp/one-row', group: 'one row, base', batch: 1, requests: Math.min(ONE_BY_ONE, rows.length) },
  { name: 'node-llama-cpp/batch', group: 'rows, base', batch: rows.length, requests: rows.length },
]) {
  const context = await model.createContext({
    threads,
    sequences: batch,
    contextSize,
    batchSize: Math.max(64, batch * rows[0].prompt.length),
  });
  const sequences = Array.from({ length: batch }, () => context.getSequence());
  await generate(sequences[0], rows[0].prompt);
  const start = performance.now();
  let tokens = 0;
  if (batch === 1) for (const { prompt } of rows.slice(0, requests)) tokens += await generate(sequences[0], prompt);
  else {
    const counts = await Promise.all(rows.map(({ prompt }, i) => generate(sequences[i], prompt)));
    tokens = counts.reduce((sum, count) => sum + count, 0);
  }
  report(name, group, requests, (performance.now() - start) / 1000, tokens);
  await context.dispose();
}
await llama.dispose();
