/** The two ways in which an adapter comes: as a folder on this machine, or as a form whose files are streamed. */
import { Injectable } from '@nestjs/common';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { createReadStream } from 'node:fs';
import { InvalidRequestError, MissingFileError } from '../errors.js';
import { invalidRequest } from '../http/validation.js';
import { pushFolderBody, pushUploadFields, type PushFolder } from './dto/revision.dto.js';
import { ImportFolders } from './import-folders.js';
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  type AdapterBlobs,
  type AdapterStaging,
  type PushRequest,
  type Receive,
} from './adapter-staging.js';

@Injectable()
export class PushSources {
  constructor(private readonly folders: ImportFolders) {}

  ofRequest(request: FastifyRequest): Receive {
    if (request.isMultipart()) return (staging) => receiveForm(request, staging);
    const parsed = pushFolderBody.safeParse(request.body);
    if (!parsed.success) throw invalidRequest(parsed.error.issues);
    return this.ofFolder(parsed.data);
  }

  ofFolder({ folder: named, ...fields }: PushFolder): Receive {
    return async (staging) => {
      const folder = await this.folders.folder(named);
      const config = await this.folders.file(folder, ADAPTER_CONFIG);
      const weights = await this.folders.file(folder, ADAPTER_WEIGHTS);
      // A stream is opened only when it is read: until then nobody would hear of its errors.
      return {
        fields,
        files: {
          config: await staging.config(createReadStream(config)),
          weights: await staging.weights(createReadStream(weights)),
        },
      };
    };
  }
}

/** Parts in any order; files go to the store as they arrive. */
async function receiveForm(request: FastifyRequest, staging: AdapterStaging): Promise<PushRequest> {
  const files: Partial<AdapterBlobs> = {};
  const fields: Record<string, unknown> = {};
  // The store counts the bytes: it refuses a file that is too large, where the parser would cut it off.
  for await (const part of request.parts({ limits: { fileSize: Infinity } })) {
    if (part.type === 'file') await receiveFile(part, files, staging);
    else if (part.fieldname in fields) throw new InvalidRequestError('This field comes twice.', part.fieldname);
    else fields[part.fieldname] = part.value;
  }
  const parsed = pushUploadFields.safeParse(fields);
  if (!parsed.success) throw invalidRequest(parsed.error.issues);
  const { config, weights } = files;
  if (config === undefined) throw new MissingFileError(ADAPTER_CONFIG, 'The form');
  if (weights === undefined) throw new MissingFileError(ADAPTER_WEIGHTS, 'The form');
  return { fields: parsed.data, files: { config, weights } };
}

async function receiveFile(
  { fieldname, file }: MultipartFile,
  files: Partial<AdapterBlobs>,
  staging: AdapterStaging,
): Promise<void> {
  const kind = fieldname === ADAPTER_CONFIG ? 'config' : fieldname === ADAPTER_WEIGHTS ? 'weights' : null;
  if (kind === null) {
    throw new InvalidRequestError(
      `The form takes the files ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS} alone.`,
      fieldname,
    );
  }
  if (files[kind] !== undefined) throw new InvalidRequestError('This file comes twice.', fieldname);
  files[kind] = await staging[kind](file);
}
