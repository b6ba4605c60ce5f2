// node-llama-cpp on a workload, on the CPU: one JSON line a figure, as README.md says.
//
//     node node-llama-cpp.mjs data/111m/workload.json data/111m/gguf/gguf.json
//
// Its LoRA belongs to a context, and the adapters of a context are summed: so a path is a context of its own, and rows of
// one batch can't take different paths. `switching` makes a context for each request, `mixed` has one open for each path.
import { readFileSync } from 'node:fs';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const ONE_BY_ONE = 4;
const [workloadFile, ggufFile] = process.argv.slice(2);
const { name: workload, threads, newTokens, rows } = JSON.parse(readFileSync(workloadFile, 'utf8'));
const gguf = JSON.parse(readFileSync(ggufFile, 'utf8'));
const { version } = JSON.parse(
  readFileSync(new URL('node_modules/node-llama-cpp/package.json', import.meta.url), 'utf8'),
);
const promptLength = rows[0].prompt.length;
const few = rows.slice(0, ONE_BY_ONE);

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: gguf.model });

// Every adapter is read once before any clock starts: the model keeps them.
for (const row of rows) await (await openContext(1, row)).dispose();

await measure('node-llama-cpp/one-row', 'one row, base', few, async () => {
  const context = await openContext(1);
  return { context, work: () => oneByOne(context.getSequence(), few) };
});
await measure('node-llama-cpp/batch', 'rows, base', rows, async () => {
  const context = await openContext(rows.length);
  const sequences = rows.map(() => context.getSequence());
  return { context, work: () => Promise.all(rows.map(({ prompt }, i) => generate(sequences[i], prompt))) };
});
await measure('node-llama-cpp+lora/one-row', 'one row, path', few.slice(0, 1), async () => {
  const context = await openContext(1, rows[0]);
  return { context, work: () => oneByOne(context.getSequence(), few.slice(0, 1)) };
});
await measure('node-llama-cpp+lora/switching', 'rows, paths', rows, async () => ({
  work: async () => {
    const outputs = [];
    for (const row of rows) {
      const context = await openContext(1, row);
      outputs.push(await generate(context.getSequence(), row.prompt));
      await context.dispose();
    }
    return outputs;
  },
}));
const contexts = [];
for (const row of rows) contexts.push(await openContext(1, row));
await measure('node-llama-cpp+lora/mixed', 'rows, paths', rows, async () => {
  const sequences = contexts.map((context) => context.getSequence());
  return { work: () => Promise.all(rows.map(({ prompt }, i) => generate(sequences[i], prompt))) };
});
await llama.dispose();

function openContext(sequences, row) {
  return model.createContext({
    threads,
    sequences,
    contextSize: promptLength + newTokens + 8,
    batchSize: Math.max(64, sequences * promptLength),
    ...(row === undefined
      ? {}
      : { lora: { adapters: row.adapters.map((folder) => ({ filePath: gguf.adapters[folder] })) } }),
  });
}

/** Greedy → the new tokens. */
async function generate(sequence, prompt) {
  await sequence.clearHistory();
  const tokens = [];
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    tokens.push(token);
    if (tokens.length === newTokens) break;
  }
  return tokens;
}

async function oneByOne(sequence, some) {
  const outputs = [];
  for (const { prompt } of some) outputs.push(await generate(sequence, prompt));
  return outputs;
}

async function measure(name, group, some, open) {
  const { context, work } = await open();
  const start = performance.now();
  const outputs = await work();
  const seconds = (performance.now() - start) / 1000;
  await context?.dispose();
  if (outputs.some((tokens) => tokens.length !== newTokens)) throw new Error(`${name}: a row ended early.`);
  const figure = {
    name,
    group,
    workload,
    tokensPerSecond: Number(((some.length * newTokens) / seconds).toFixed(2)),
    requests: some.length,
    newTokens,
    seconds: Number(seconds.toFixed(3)),
    bits: gguf.bits,
    threads,
    tokens: outputs[0],
    versions: { 'node-llama-cpp': version },
  };
  process.stdout.write(`${JSON.stringify(figure)}\n`);
}
