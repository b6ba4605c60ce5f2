/** Which methods a path has: what is there under another method is told apart from what isn't there at all. */
import type { FastifyInstance, HTTPMethods } from 'fastify';
import findMyWay, { type HTTPMethod, type HTTPVersion, type Instance } from 'find-my-way';

/** Fastify doesn't let its own router be asked; this one, of the same make, learns of the same routes. */
export class AllowedMethods {
  readonly #router: Instance<HTTPVersion.V1>;
  readonly #methods = new Set<HTTPMethod>();

  /** Has to come before the routes. */
  constructor(fastify: FastifyInstance, maxParamLength: number) {
    this.#router = findMyWay({ maxParamLength });
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const each of [method].flat()) this.#add(each, url);
    });
  }

  /** Empty for a path that no method has. */
  of(path: string): string[] {
    return [...this.#methods].filter((method) => this.#router.find(method, path) !== null).sort();
  }

  #add(method: HTTPMethods, url: string): void {
    // What browsers ask before they ask; it is there for all paths or for none.
    if (method === 'OPTIONS' || this.#router.hasRoute(method as HTTPMethod, url)) return;
    this.#methods.add(method as HTTPMethod);
    this.#router.on(method as HTTPMethod, url, () => undefined);
  }
}
