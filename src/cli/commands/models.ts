import { Option, type Command } from 'commander';
import { basename, resolve } from 'node:path';
import { importModelBody, modelSchema, type ModelDto } from '../../registry/dto/model.dto.js';
import { UsageError } from '../errors.js';
import { importModel } from '../model-import.js';
import { withProgress } from '../progress.js';
import { session } from '../session.js';
import { columns, megabytes, print, type Terminal } from '../terminal.js';

interface ImportOptions {
  name?: string;
  link?: boolean;
  quantize?: string;
}

export function addModels(program: Command): void {
  const models = program.command('models').description('base models: the roots of trees');

  models
    .command('import')
    .description('import a Hugging Face folder, which lies on the machine of the service')
    .argument('<folder>')
    .option('--name <name>', "first segment of its paths; left out, the folder's name")
    .option('--link', 'hard-link the weights instead of copying them (only if nobody rewrites the folder in place)')
    .addOption(
      new Option('--quantize <form>', 'store and serve the linears in 8 or 4 bits').choices(
        importModelBody.shape.quantize.unwrap().options,
      ),
    )
    .action(async (folder: string, options: ImportOptions, command: Command) => {
      const { api, terminal } = session(command);
      const body = {
        name: options.name ?? nameOf(folder),
        folder: resolve(folder),
        link: options.link === true,
        quantize: options.quantize,
      };
      const model = await withProgress(terminal, `Importing ${body.name}`, null, (update) =>
        importModel(api, body, update),
      );
      model.warnings.forEach(terminal.warn);
      print(terminal, model, () =>
        model.unchanged
          ? `${model.name} is imported already (${model.digest.slice(0, 12)}).`
          : `Imported ${columns([describe(model, terminal)])}`,
      );
    });

  models
    .command('list')
    .description('all models')
    .action(async (_options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const { data } = await api.list('/api/v1/models', modelSchema);
      print(terminal, data, () => columns(data.map((model) => describe(model, terminal))) || 'No models yet.');
    });

  models
    .command('get')
    .description('one model with its origins and warnings')
    .argument('<name>')
    .action(async (name: string, _options: unknown, command: Command) => {
      const { api, terminal } = session(command);
      const model = await api.get(`/api/v1/models/${encodeURIComponent(name)}`, modelSchema);
      print(terminal, model, () =>
        columns([
          ['name', model.name],
          ['digest', model.digest],
          ['architecture', `${model.modelType}, ${model.layers} layers, ${model.hiddenSize} wide`],
          ['parameters', millions(model.parameters)],
          ['quantised', model.quantization ?? 'no'],
          ['on disk, loaded', `${megabytes(model.bytes)}, ${megabytes(model.memoryBytes)}`],
          ['context', `${model.maxPositions} tokens of ${model.vocabSize}`],
          ['known as', model.origins.join(', ')],
          ...model.warnings.map((warning) => ['warning', warning]),
        ]),
      );
    });
}

/** A folder's name as the grammar of paths allows it. */
export function nameOf(folder: string): string {
  const name = basename(resolve(folder))
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  if (name === '') throw new UsageError(`No name can be made of ${folder}. Give one with --name.`);
  return name;
}

function describe(model: ModelDto, { paint }: Terminal): string[] {
  return [
    paint('bold', model.name),
    model.modelType,
    `${millions(model.parameters)} parameters`,
    model.quantization ?? '',
    megabytes(model.bytes),
    paint('dim', model.digest.slice(0, 12)),
  ];
}

function millions(parameters: number): string {
  return `${(parameters / 1e6).toFixed(1)}M`;
}
