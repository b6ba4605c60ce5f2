/**
 * A server that speaks what the Hugging Face hub speaks to `@huggingface/hub`, as far as adapters need it: revisions, what
 * files there are, `resolve`, which sends large files on to a second server, with the headers of LFS or of xet.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeRepo {
  /** By path. */
  files: Record<string, Uint8Array>;
  /** Branches and tags → commit. */
  revisions: Record<string, string>;
  /** Needed to see it. */
  token?: string;
  /** Seen by all, given to nobody. */
  gated?: boolean;
}

export interface SeenRequest {
  server: 'hub' | 'cdn';
  method: string;
  url: string;
  authorization: string | undefined;
}

/** What is kept apart from the repository itself. */
const isLarge = (path: string) => path.endsWith('.safetensors');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export class FakeHub {
  readonly repos: Record<string, FakeRepo> = {};
  readonly seen: SeenRequest[] = [];
  /** Where `resolve` sends for large files. Default: the second server. */
  redirect: ((path: string) => string) | null = null;
  /** Large files are announced as xet ones to who can read such. */
  xet = false;
  /** Answers in place of the hub's own. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | null = null;
  /** In place of the bytes that the second server has. */
  served: ((path: string, response: ServerResponse) => boolean) | null = null;
  readonly #hub: Server;
  readonly #cdn: Server;

  private constructor() {
    this.#hub = createServer((request, response) => void this.#answer(request, response));
    this.#cdn = createServer((request, response) => this.#serve(request, response));
  }

  static async start(): Promise<FakeHub> {
    const hub = new FakeHub();
    for (const server of [hub.#hub, hub.#cdn]) await once(server.listen(0, '127.0.0.1'), 'listening');
    return hub;
  }

  get url(): string {
    return originOf(this.#hub);
  }

  get cdnUrl(): string {
    return originOf(this.#cdn);
  }

  close(): void {
    for (const server of [this.#hub, this.#cdn]) {
      server.close();
      server.closeAllConnections();
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    this.seen.push(note('hub', request));
    if (this.intercept?.(request, response) === true) return;
    const [path = ''] = url.split('?', 1);
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|paths-info)\/([^/]+)$/.exec(path);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const name = api?.[1] ?? resolve?.[1] ?? '';
    const repo = this.repos[name];
    const given = request.headers.authorization?.replace('Bearer ', '');
    if (given !== undefined && given !== 'hf_good') {
      send(response, 401, { error: 'Invalid credentials in Authorization header' });
      return;
    }
    if (!repo || (repo.token !== undefined && repo.token !== given)) {
      response.setHeader('x-error-code', 'RepoNotFound');
      send(response, given === undefined ? 401 : 404, { error: 'Repository not found' });
      return;
    }
    const revision = decodeURIComponent(api?.[3] ?? resolve?.[2] ?? '');
    const commit = repo.revisions[revision] ?? Object.values(repo.revisions).find((one) => one === revision);
    if (commit === undefined) {
      response.setHeader('x-error-code', 'RevisionNotFound');
      send(response, 404, { error: `Invalid rev id: ${revision}` });
      return;
    }
    response.setHeader('x-repo-commit', commit);
    if (api?.[2] === 'revision') {
      const info = { _id: '1', id: name, sha: commit, private: false, gated: repo.gated === true ? 'auto' : false };
      send(response, 200, { ...info, downloads: 1, likes: 1, lastModified: '2026-01-01T00:00:00.000Z' });
    } else if (api) {
      const { paths } = JSON.parse(await bodyOf(request)) as { paths: string[] };
      send(
        response,
        200,
        paths.flatMap((each) => entryOf(each, repo.files[each])),
      );
    } else if (repo.gated === true) {
      response.setHeader('x-error-code', 'GatedRepo');
      send(response, 403, { error: 'Access to this model is restricted' });
    } else {
      this.#resolve(request, response, resolve?.[3] ?? '', repo);
    }
  }

  #resolve(request: IncomingMessage, response: ServerResponse, path: string, repo: FakeRepo): void {
    const file = repo.files[path];
    if (!file) {
      response.setHeader('x-error-code', 'EntryNotFound');
      send(response, 404, { error: 'Entry not found' });
      return;
    }
    if (!isLarge(path)) {
      sendBytes(request, response, file);
      return;
    }
    response.setHeader('x-linked-size', file.length);
    response.setHeader('x-linked-etag', `"${sha256(file)}"`);
    if (this.xet && request.headers.accept?.includes('xet-fileinfo') === true) {
      response.setHeader('x-xet-hash', sha256(file));
      response.setHeader(
        'link',
        `<${this.url}/xet-auth>; rel="xet-auth", <${this.url}/xet-info>; rel="xet-reconstruction-info"`,
      );
      response.writeHead(200, { 'content-type': 'application/vnd.xet-fileinfo+json' }).end('{}');
      return;
    }
    const blob = `/blob/${sha256(file)}`;
    response.writeHead(302, { location: this.redirect?.(blob) ?? `${this.cdnUrl}${blob}` }).end();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.seen.push(note('cdn', request));
    const path = request.url ?? '';
    if (this.served?.(path, response) === true) return;
    const files = Object.values(this.repos).flatMap(({ files }) => Object.values(files));
    const file = files.find((bytes) => path === `/blob/${sha256(bytes)}`);
    if (file) sendBytes(request, response, file);
    else response.writeHead(404).end();
  }
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function note(server: 'hub' | 'cdn', { method = '', url = '', headers }: IncomingMessage): SeenRequest {
  return { server, method, url, authorization: headers.authorization };
}

function entryOf(path: string, bytes: Uint8Array | undefined): object[] {
  if (!bytes) return [];
  const entry = { type: 'file', path, size: bytes.length, oid: 'a'.repeat(40) };
  return [isLarge(path) ? { ...entry, lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 } } : entry];
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function sendBytes({ headers }: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  response.setHeader('etag', `"${sha256(bytes)}"`);
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  if (first === undefined || last === undefined) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return;
  }
  const part = bytes.subarray(Number(first), Number(last) + 1);
  response.setHeader('content-range', `bytes ${first}-${last}/${bytes.length}`);
  response.writeHead(206, { 'content-length': part.length }).end(part);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
