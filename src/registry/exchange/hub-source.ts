/**
 * Adapters from the Hugging Face hub. A branch or tag is turned into its commit first, which the revision keeps; the files
 * of that commit are then streamed into the blob store. Files that the hub keeps by the xet protocol come over plain HTTP
 * too, which is what is asked for.
 */
import { fileDownloadInfo, HubApiError, modelInfo, pathsInfo, type PathInfo } from '@huggingface/hub';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config, type HubConfig } from '../../config.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { MissingFileError } from '../../errors/files.js';
import { HubDisabledError, HubNotFoundError, HubRefusedError, HubUnavailableError } from '../../errors/hub.js';
import { BlobTooLargeError } from '../../errors/storage.js';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, README, type AdapterBlobs, type AdapterStaging } from '../adapter-staging.js';
import type { HubReference, RevisionSource } from '../dto/hub.dto.js';
import { hubFetch } from './hub-fetch.js';

export interface HubAdapter {
  files: AdapterBlobs;
  card: string | undefined;
  source: RevisionSource;
}

/** Where to ask, and what for. */
interface Asked {
  hub: HubConfig;
  reference: HubReference;
  parameters: { hubUrl: string; fetch: typeof fetch; accessToken?: string };
}

const COMMIT = /^[0-9a-f]{40,64}$/;

@Injectable()
export class HubSource {
  readonly #hub: HubConfig | null;
  readonly #stallMs: number;

  constructor(@Inject(CONFIG) { hub, stallMs }: Config) {
    this.#hub = hub;
    this.#stallMs = stallMs;
  }

  async fetch(
    reference: HubReference,
    staging: AdapterStaging,
    { withCard }: { withCard: boolean },
  ): Promise<HubAdapter> {
    const hub = this.#hub;
    if (!hub) throw new HubDisabledError();
    const { repo, revision, token, folder = null } = reference;
    const asked: Asked = {
      hub,
      reference,
      parameters: {
        hubUrl: hub.url,
        fetch: hubFetch({ hub, stallMs: this.#stallMs }),
        ...(token === undefined ? {} : { accessToken: token }),
      },
    };
    const commit = await commitOf(asked);
    const within = (name: string) => (folder === null ? name : `${folder}/${name}`);
    const found = await explained(asked, () =>
      pathsInfo({
        ...asked.parameters,
        repo: { type: 'model', name: repo },
        revision: commit,
        paths: [ADAPTER_CONFIG, ADAPTER_WEIGHTS, README].map(within),
      }),
    );
    const file = (name: string) => found.find(({ path, type }) => path === within(name) && type === 'file');
    const config = file(ADAPTER_CONFIG);
    const weights = file(ADAPTER_WEIGHTS);
    const where = `"${repo}" at ${revision} of the hub`;
    if (!config) throw new MissingFileError(within(ADAPTER_CONFIG), where);
    if (!weights) throw new MissingFileError(within(ADAPTER_WEIGHTS), where);
    if (weights.size > staging.maxBytes) throw new BlobTooLargeError(staging.maxBytes);
    const readme = withCard ? file(README) : undefined;
    const card = readme && (await staging.card(await download(asked, commit, readme)));
    const files = {
      config: await staging.config(await download(asked, commit, config)),
      weights: await staging.weights(await download(asked, commit, weights)),
    };
    if (weights.lfs && weights.lfs.oid !== files.weights) {
      throw new HubUnavailableError(hub.url, `it sent other bytes for ${weights.path} than it has recorded`, null);
    }
    return { files, card, source: { hub: hub.url, repo, revision, commit, folder } };
  }
}

async function commitOf(asked: Asked): Promise<string> {
  const { repo, revision } = asked.reference;
  const { sha } = await explained(asked, () =>
    modelInfo({ ...asked.parameters, name: repo, revision, additionalFields: ['sha'] }),
  );
  if (!COMMIT.test(sha)) throw new HubUnavailableError(asked.hub.url, 'it names no commit', null);
  return sha;
}

async function download(asked: Asked, commit: string, { path }: PathInfo): Promise<AsyncIterable<Uint8Array>> {
  const { repo, token } = asked.reference;
  const info = await explained(asked, () =>
    fileDownloadInfo({ ...asked.parameters, repo: { type: 'model', name: repo }, revision: commit, path }),
  );
  if (!info) throw new MissingFileError(path, `"${repo}" of the hub`);
  const response = await asked.parameters.fetch(info.url, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  if (response.status !== 200 || !response.body) throw refusal(asked, response.status, null);
  return response.body;
}

async function explained<T>(asked: Asked, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof EspalierError) throw error;
    if (error instanceof HubApiError) throw refusal(asked, error.statusCode, error);
    throw new HubUnavailableError(asked.hub.url, 'its answer is none that a hub gives', error);
  }
}

function refusal({ hub, reference: { repo, revision, token } }: Asked, status: number, cause: unknown): EspalierError {
  // To those who show no token, the hub says 401 of what isn't there.
  if (status === 404 || (status === 401 && token === undefined)) return new HubNotFoundError(hub.url, repo, revision);
  if (status === 401 || status === 403) return new HubRefusedError(hub.url, repo, token !== undefined);
  return new HubUnavailableError(hub.url, `it answered ${status}`, cause);
}
