// Dependencies point one way: Nest modules → tree, engine → graph → formats → lowrank. This script fails where an
// import in src/ goes another way, or where a package is imported outside of the one place that may.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const src = join(root, 'src');

/** What every folder may import. */
const FOR_ALL = ['errors'];

/** Folder of src/ → the folders that it may import, besides itself, those for all and the files at the top. */
const MAY_IMPORT = {
  errors: [],
  lowrank: [],
  formats: ['lowrank'],
  graph: ['formats'],
  tree: [],
  storage: [],
  engine: ['graph', 'formats', 'lowrank', 'storage'],
  tokenization: ['formats'],
  database: [],
  access: ['database', 'http'],
  http: [],
  registry: ['tree', 'storage', 'database', 'access', 'http', 'graph', 'formats', 'lowrank', 'engine'],
  completions: ['tree', 'registry', 'access', 'http', 'engine', 'tokenization', 'formats', 'observability'],
  observability: ['tree', 'registry', 'access', 'http', 'engine', 'database', 'storage'],
  openapi: ['access', 'http'],
  graphql: ['tree', 'registry', 'access', 'http'],
  cli: ['tree', 'http', 'registry'],
};

/** Package → the only places that may import it. */
const ONLY_FROM = {
  'onnxruntime-node': ['engine/ort.ts'],
  'onnxruntime-common': ['engine/ort.ts'],
  graphology: ['tree/'],
  'graphology-gexf': ['tree/'],
  '@electric-sql/pglite': ['database/'],
  commander: ['cli/'],
  '@aws-sdk': ['storage/s3-'],
  '@huggingface/hub': ['registry/exchange/hub-source.ts'],
  '@nestjs/graphql': ['graphql/'],
  '@nestjs/apollo': ['graphql/'],
  '@apollo/server': ['graphql/'],
  '@escape.tech/graphql-armor': ['graphql/'],
  graphql: ['graphql/'],
  'graphql-ws': ['graphql/'],
  dataloader: ['graphql/'],
  ws: ['graphql/'],
};

/** Packages that pure code never sees. */
const NEST_OR_DATABASE = /^(@nestjs\/|@prisma\/|fastify|@fastify\/|reflect-metadata)/;
const PURE = ['errors', 'lowrank', 'formats', 'graph', 'tree', 'engine', 'tokenization', 'storage'];

const problems = [];
for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts') || file.startsWith(join('database', 'generated'))) continue;
  const name = file.split('\\').join('/');
  const folder = name.includes('/') ? name.split('/')[0] : '';
  const { importedFiles } = ts.preProcessFile(readFileSync(join(src, file), 'utf8'), true, true);
  for (const { fileName: target } of importedFiles) {
    if (target.startsWith('.')) {
      const to = posix.normalize(posix.join(posix.dirname(name), target));
      const toFolder = to.includes('/') ? to.split('/')[0] : '';
      if (folder === '' || toFolder === '' || toFolder === folder || FOR_ALL.includes(toFolder)) continue;
      const allowed = MAY_IMPORT[folder];
      if (!allowed)
        problems.push(`${name}: src/${folder} has no rule in ${relative(root, import.meta.filename ?? '')}`);
      else if (!allowed.includes(toFolder))
        problems.push(`${name} imports ${to}: ${folder} may not import ${toFolder}`);
    } else {
      const only = Object.entries(ONLY_FROM).find(([name]) => target === name || target.startsWith(`${name}/`))?.[1];
      if (only && !only.some((place) => name.startsWith(place))) {
        problems.push(`${name} imports ${target}: only ${only.join(', ')} may`);
      }
      if (PURE.includes(folder) && NEST_OR_DATABASE.test(target)) {
        problems.push(`${name} imports ${target}: src/${folder} stays free of Nest, Fastify and Prisma`);
      }
    }
  }
}

if (problems.length > 0) {
  process.stderr.write(`Import boundaries:\n  ${[...new Set(problems)].join('\n  ')}\n`);
  process.exit(1);
}
process.stdout.write('Import boundaries hold.\n');
