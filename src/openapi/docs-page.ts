/**
 * The page that shows the document: Swagger UI, from the package's own files. Nothing comes from another host, and what
 * the page may do is narrowed to that.
 */
import { createReadStream, type ReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { z } from 'zod';

const { resolve } = createRequire(import.meta.url);

/** Swagger UI sets styles on its elements, and has icons as data. */
export const DOCS_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Addresses are relative, for services that lie behind a prefix. */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Espalier: HTTP interface</title>
  <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <div id="document"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
`;

/** A script of its own, since the policy allows none within the page. */
const START = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#document',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;

export const docsFile = z.enum(['start.js', 'swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png']);
export type DocsFile = z.infer<typeof docsFile>;

const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  png: 'image/png',
};

export function typeOf(file: DocsFile): string {
  return TYPES[file.slice(file.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}

export function openDocsFile(file: DocsFile): ReadStream | Readable {
  return file === 'start.js' ? Readable.from([START]) : createReadStream(resolve(`swagger-ui-dist/${file}`));
}
