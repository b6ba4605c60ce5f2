/**
 * `fetch` towards the hub, and nowhere else. Whoever pushes names a repository, and the hub's answers name further
 * addresses; so that neither can make this service ask machines which only it can reach, redirects are followed by hand,
 * to the hub itself and to the places of its files that the configuration names. The token goes to the hub alone.
 *
 * Headers have to come in time, and bodies at some pace.
 */
import type { HubConfig } from '../../config.js';
import { EspalierError } from '../../errors/espalier-error.js';
import { HubRedirectError, HubUnavailableError } from '../../errors/hub.js';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface HubFetchOptions {
  hub: HubConfig;
  /** For headers, and between two pieces of a body. */
  stallMs: number;
}

export function hubFetch({ hub, stallMs }: HubFetchOptions): typeof fetch {
  return async (input, init) => {
    let url = new URL(input instanceof Request ? input.url : input);
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      if (!mayAsk(hub, url)) throw new HubRedirectError(hub.url, url.origin);
      const headers = new Headers(init?.headers);
      if (url.origin !== new URL(hub.url).origin) headers.delete('authorization');
      const response = await request(url, { ...init, headers, redirect: 'manual' }, { hub, stallMs });
      const location = response.headers.get('location');
      if (!REDIRECTS.has(response.status) || location === null) return response;
      await response.body?.cancel();
      if (!URL.canParse(location, url.href)) throw new HubUnavailableError(hub.url, 'it redirects to no address', null);
      url = new URL(location, url);
    }
    throw new HubUnavailableError(hub.url, `it redirects more than ${MAX_REDIRECTS} times`, null);
  };
}

export function mayAsk({ url: hubUrl, cdns }: HubConfig, { origin, protocol, port, hostname }: URL): boolean {
  if (origin === new URL(hubUrl).origin) return true;
  return cdns.some((cdn) => {
    const [, domain] = /^https:\/\/\*(\..+)$/.exec(cdn) ?? [];
    return domain === undefined ? origin === cdn : protocol === 'https:' && port === '' && hostname.endsWith(domain);
  });
}

async function request(url: URL, init: RequestInit, { hub, stallMs }: HubFetchOptions): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), stallMs);
  try {
    const { status, headers, body } = await fetch(url, { ...init, signal: late.signal });
    // Headers as they came, and a body that says for itself what went wrong with it.
    const paced = body && ReadableStream.from(atPace(body, late, { hub, stallMs }));
    return new Response(paced, { status, headers });
  } catch (error) {
    throw explain(error, late.signal, { hub, stallMs });
  } finally {
    clearTimeout(timer);
  }
}

async function* atPace(
  body: ReadableStream<Uint8Array>,
  late: AbortController,
  options: HubFetchOptions,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const timer = setTimeout(() => late.abort(), options.stallMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw explain(error, late.signal, options);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function explain(error: unknown, late: AbortSignal, { hub, stallMs }: HubFetchOptions): unknown {
  if (error instanceof EspalierError) return error;
  if (late.aborted) return new HubUnavailableError(hub.url, `it sent nothing for ${stallMs} ms`, error);
  const cause = error instanceof Error ? error.cause : null;
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection broke';
  return new HubUnavailableError(hub.url, reason, error);
}
