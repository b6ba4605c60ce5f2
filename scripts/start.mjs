// `npm start`: installs, builds, then becomes the service, so that signals reach it and nothing else is left running.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { prepare, root } from './prepare.mjs';

prepare();
process.chdir(root);
await import(pathToFileURL(join(root, 'dist/main.js')).href);
