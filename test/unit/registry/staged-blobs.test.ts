/** Whatever the order in which pushes of the same few blobs succeed and fail: what was recorded stays, the rest goes. */
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { StagedBlobs } from '../../../src/registry/staged-blobs.js';
import { FileBlobStore } from '../../../src/storage/file-blob-store.js';

const push = fc.record({
  contents: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 2 }),
  kept: fc.boolean(),
  delayBefore: fc.nat(6),
  delayAfter: fc.nat(6),
});

async function pause(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await turn();
}

test('blobs of pushes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(push, { minLength: 1, maxLength: 8 }), fc.boolean(), async (pushes, oneIsThere) => {
      const folder = await mkdtemp(join(tmpdir(), 'espalier blobs '));
      try {
        const store = await FileBlobStore.open(folder);
        const shas = new Map<string, string>();
        const recorded = new Set<string>();
        // What it asks to be deleted must be nobody's, without the database having to say so.
        const staged = new StagedBlobs(store, {
          delete: async (blobs) => {
            for (const sha256 of blobs) await store.delete(sha256);
            return [...blobs];
          },
        });
        if (oneIsThere) {
          shas.set('a', (await store.put(Readable.from([Buffer.from('a')]))).sha256);
          recorded.add('a');
        }
        await Promise.all(
          pushes.map(async ({ contents, kept, delayBefore, delayAfter }) => {
            await pause(delayBefore);
            const staging = staged.begin();
            for (const text of contents) {
              shas.set(text, await staging.put(Readable.from([Buffer.from(text)]), 'a test', 100));
            }
            await pause(delayAfter);
            if (kept) {
              staging.keep();
              for (const text of contents) recorded.add(text);
            }
            await staging.end();
          }),
        );
        // One more that fails takes along what had to wait while others were putting.
        const last = staged.begin();
        await last.put(Readable.from([Buffer.from('last')]), 'a test', 100);
        await last.end();
        for (const [text, sha256] of shas) expect([text, await store.has(sha256)]).toEqual([text, recorded.has(text)]);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);
