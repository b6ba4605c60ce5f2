/** Fetching from the Hugging Face hub. */
import { clip, EspalierError } from './espalier-error.js';

export class HubDisabledError extends EspalierError {
  constructor() {
    super({
      code: 'hub_disabled',
      status: 403,
      message: 'This service fetches nothing from the Hugging Face hub (ESPALIER_HUB_URL is off). Upload the files.',
      param: 'hub',
    });
  }
}

/** Or it is private, and the hub doesn't say so. */
export class HubNotFoundError extends EspalierError {
  constructor(url: string, repo: string, revision: string) {
    super({
      code: 'hub_not_found',
      status: 404,
      message: `${url} has no "${repo}" at "${revision}", or shows it only to those with a token. Check both, or give a token that may read it.`,
      param: 'hub',
      details: { hub: url, repo, revision },
    });
  }
}

export class HubRefusedError extends EspalierError {
  constructor(url: string, repo: string, withToken: boolean) {
    const advice = withToken
      ? 'Check that the token holds and may read it; for a gated repository, ask for access there first.'
      : 'Give a token that may read it.';
    super({
      code: 'hub_refused',
      status: 403,
      message: `${url} doesn't give "${repo}" out. ${advice}`,
      param: 'hub',
      details: { hub: url, repo },
    });
  }
}

export class HubUnavailableError extends EspalierError {
  constructor(url: string, reason: string, cause: unknown) {
    super(
      {
        code: 'hub_unavailable',
        status: 502,
        message: `${url} doesn't serve this now: ${reason}. Nothing was kept. Try again, or upload the files.`,
        param: 'hub',
        details: { hub: url, reason },
      },
      { cause },
    );
  }
}

/** To somewhere that only this service may be able to reach. */
export class HubRedirectError extends EspalierError {
  constructor(url: string, origin: string) {
    super({
      code: 'hub_redirect_refused',
      status: 502,
      message: `${url} sends us on to ${clip(origin)}, which isn't asked. If its files lie there, name it in ESPALIER_HUB_CDNS.`,
      param: 'hub',
      details: { hub: url, origin: clip(origin) },
    });
  }
}
