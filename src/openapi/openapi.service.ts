/** The document of this very service: of all controllers that Nest has. Built when it is first asked for. */
import { Injectable, type Type } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import { createRequire } from 'node:module';
import { buildDocument, type Document } from './document.js';
import { routesOf } from './route.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

@Injectable()
export class OpenApiService {
  readonly #discovery: DiscoveryService;
  #document: Document | null = null;

  constructor(discovery: DiscoveryService) {
    this.#discovery = discovery;
  }

  get document(): Document {
    this.#document ??= buildDocument(
      this.#discovery.getControllers().flatMap(({ metatype }) => routesOf(metatype as Type)),
      version,
    );
    return this.#document;
  }
}
