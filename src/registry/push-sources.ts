/** The ways in which an adapter comes: as a folder on this machine, from the hub, or as a form whose files are streamed. */
import { Injectable } from '@nestjs/common';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { createReadStream } from 'node:fs';
import type { z } from 'zod';
import { MissingFileError } from '../errors/files.js';
import { InvalidRequestError } from '../errors/requests.js';
import { invalidRequest } from '../http/validation.js';
import { refuseArchiveName } from './archives.js';
import { pushFolderBody, pushHubBody, pushUploadFields, type PushFolder, type PushHub } from './dto/revision.dto.js';
import { HubSource } from './exchange/hub-source.js';
import { ImportFolders } from './import-folders.js';
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  README,
  type AdapterStaging,
  type PushRequest,
  type Receive,
} from './adapter-staging.js';

@Injectable()
export class PushSources {
  constructor(
    private readonly folders: ImportFolders,
    private readonly hub: HubSource,
  ) {}

  ofRequest(request: FastifyRequest): Receive {
    if (request.isMultipart()) return (staging) => receiveForm(request, staging);
    const { body } = request;
    if (typeof body === 'object' && body !== null && 'hub' in body) return this.ofHub(parse(pushHubBody, body));
    return this.ofFolder(parse(pushFolderBody, body));
  }

  ofFolder({ folder: named, ...fields }: PushFolder): Receive {
    return async (staging, check) => {
      check(fields);
      refuseArchiveName(named);
      const folder = await this.folders.folder(named);
      const config = await this.folders.file(folder, ADAPTER_CONFIG);
      const weights = await this.folders.file(folder, ADAPTER_WEIGHTS);
      const readme = fields.card === undefined ? await this.folders.fileIfAny(folder, README) : null;
      // A stream is opened only when it is read: until then nobody would hear of its errors.
      return {
        fields: { ...fields, card: readme === null ? fields.card : await staging.card(createReadStream(readme)) },
        files: {
          config: await staging.config(createReadStream(config)),
          weights: await staging.weights(createReadStream(weights)),
        },
        source: null,
      };
    };
  }

  ofHub({ hub, ...fields }: PushHub): Receive {
    return async (staging, check) => {
      check(fields);
      const { card, ...fetched } = await this.hub.fetch(hub, staging, { withCard: fields.card === undefined });
      return { fields: { ...fields, card: fields.card ?? card }, ...fetched };
    };
  }
}

interface ReceivedFiles {
  config?: string;
  weights?: string;
  card?: string;
}

const KINDS = { [ADAPTER_CONFIG]: 'config', [ADAPTER_WEIGHTS]: 'weights', [README]: 'card' } as const;

/** Parts in any order; files go to the store as they arrive. */
async function receiveForm(request: FastifyRequest, staging: AdapterStaging): Promise<PushRequest> {
  const files: ReceivedFiles = {};
  const fields: Record<string, unknown> = {};
  // The store counts the bytes: it refuses a file that is too large, where the parser would cut it off.
  for await (const part of request.parts({ limits: { fileSize: Infinity } })) {
    if (part.type === 'file') await receiveFile(part, files, staging);
    else if (part.fieldname in fields) throw new InvalidRequestError('This field comes twice.', part.fieldname);
    else fields[part.fieldname] = part.value;
  }
  const parsed = parse(pushUploadFields, fields);
  const { config, weights, card } = files;
  if (config === undefined) throw new MissingFileError(ADAPTER_CONFIG, 'The form');
  if (weights === undefined) throw new MissingFileError(ADAPTER_WEIGHTS, 'The form');
  return { fields: { ...parsed, card }, files: { config, weights }, source: null };
}

async function receiveFile(
  { fieldname, filename, file }: MultipartFile,
  files: ReceivedFiles,
  staging: AdapterStaging,
): Promise<void> {
  refuseArchiveName(fieldname);
  refuseArchiveName(filename);
  const kind = Object.hasOwn(KINDS, fieldname) ? KINDS[fieldname as keyof typeof KINDS] : null;
  if (kind === null) {
    throw new InvalidRequestError(
      `The form takes the files ${ADAPTER_CONFIG}, ${ADAPTER_WEIGHTS} and ${README} alone.`,
      fieldname,
    );
  }
  if (files[kind] !== undefined) throw new InvalidRequestError('This file comes twice.', fieldname);
  files[kind] = await staging[kind](file);
}

function parse<T extends z.ZodType>(schema: T, given: unknown): z.output<T> {
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw invalidRequest(parsed.error.issues);
  return parsed.data;
}
