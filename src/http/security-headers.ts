/**
 * What browsers are told not to do with answers. Nothing here is a page, but for the one that shows the description of
 * the interface, which sets a policy of its own: so by default nothing may load or embed anything.
 */
import helmet from 'helmet';
import type { IncomingMessage, ServerResponse } from 'node:http';

const setHeaders = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  // Clients in browsers are let in, or not, by ESPALIER_CORS_ORIGINS.
  crossOriginResourcePolicy: { policy: 'cross-origin' },
  // Whether the host's other names speak HTTPS, whoever ends TLS before the service knows.
  strictTransportSecurity: { includeSubDomains: false },
  referrerPolicy: { policy: 'no-referrer' },
});

/** On the raw response, so that streams which write to it themselves carry them too. */
export function setSecurityHeaders(request: IncomingMessage, response: ServerResponse): void {
  setHeaders(request, response, () => undefined);
}
