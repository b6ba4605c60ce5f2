/** What has to hold of the whole registry after a crash. Each check returns what is wrong. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { AuditEntryDto } from '../../src/registry/audit/audit.dto.js';
import type { NodeDto } from '../../src/registry/dto/node.dto.js';
import type { Page } from '../../src/registry/dto/page.js';
import type { GcReport } from '../../src/registry/gc/gc.dto.js';
import type { RedirectDto } from '../../src/registry/places/redirect.dto.js';
import { AuditReplay } from './audit-replay.js';
import type { CrashingService } from './crashing-service.js';

const SHA256 = /^[0-9a-f]{64}$/;
const FILES = ['adapter_config.json', 'adapter_model.safetensors'];

/** Plays the audit log, and holds the registry against it. */
export async function replayAudit(service: CrashingService): Promise<AuditReplay> {
  const replay = new AuditReplay();
  for (const line of (await service.text('/audit/export')).split('\n')) {
    if (line !== '') replay.play(JSON.parse(line) as AuditEntryDto);
  }
  const nodes = await all<NodeDto>(service, '/nodes?archived=true');
  const expected = new Map(replay.live().map((node) => [node.id, stateOf({ ...node, path: replay.pathOf(node) })]));
  for (const { head, aliases, ...node } of nodes) {
    const named = Object.fromEntries(aliases.map(({ name, revision }) => [name, revision]));
    const found = stateOf({ ...node, head: head?.number ?? null, aliases: named });
    const said = expected.get(node.id) ?? 'nothing';
    if (found !== said) replay.problems.push(`the log leads to ${said}, and there is ${found}`);
    expected.delete(node.id);
  }
  for (const said of expected.values()) replay.problems.push(`the log leads to ${said}, which is not there`);
  const redirects = (await all<RedirectDto>(service, '/redirects?')).map(
    ({ path, node }) => `${path} → ${node?.path ?? ''}`,
  );
  const played = [...replay.redirects].map(([place, target]) => {
    const [parentId = '', name = ''] = place.split('/');
    const [parent, node] = [replay.nodes.get(parentId), replay.nodes.get(target)];
    return `${parent ? replay.pathOf(parent) : ''}/${name} → ${node ? replay.pathOf(node) : ''}`;
  });
  if (redirects.sort().join() !== played.sort().join()) {
    replay.problems.push(`the log leads to the redirects ${played.join()}, and there are ${redirects.join()}`);
  }
  return replay;
}

/** Every blob is what its name says, and those of all revisions are there. Returns the digests of those, too. */
export async function checkBlobs(
  service: CrashingService,
  revisionIds: readonly string[],
): Promise<{ problems: string[]; needed: Set<string> }> {
  const problems: string[] = [];
  for (const { path, sha256 } of await blobFiles(service)) {
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
    if (digest !== sha256) problems.push(`blob ${sha256} holds ${digest}`);
  }
  const present = new Set((await blobFiles(service)).map(({ sha256 }) => sha256));
  const needed = new Set<string>();
  for (const id of revisionIds) {
    for (const name of FILES) {
      const answer = await service.fetch({ method: 'HEAD', path: `/revisions/${id}/files/${name}` });
      const sha256 = answer.headers.get('etag')?.replaceAll('"', '') ?? '';
      if (answer.status !== 200 || !present.has(sha256)) problems.push(`revision ${id} has lost its ${name}`);
      needed.add(sha256);
    }
  }
  return { problems, needed };
}

/** After a collection of garbage, exactly what revisions have is there. */
export async function checkGarbage(service: CrashingService, needed: ReadonlySet<string>): Promise<string[]> {
  const { blobs } = await service.post<GcReport>('/gc', { graceSeconds: 0 });
  const left = (await blobFiles(service)).map(({ sha256 }) => sha256);
  const problems = left
    .filter((sha256) => !needed.has(sha256))
    .map((sha256) => `blob ${sha256} is nobody's, and stays`);
  for (const sha256 of needed) if (!left.includes(sha256)) problems.push(`blob ${sha256} was taken from its revision`);
  if (blobs.kept !== left.length)
    problems.push(`${blobs.kept} blobs are said to be kept, and there are ${left.length}`);
  return problems;
}

async function blobFiles({ dataFolder }: CrashingService): Promise<{ path: string; sha256: string }[]> {
  const folder = join(dataFolder, 'blobs');
  const names = await readdir(folder, { recursive: true });
  return names
    .map((name) => ({ path: join(folder, name), sha256: name.split(sep).at(-1) ?? '' }))
    .filter(({ sha256 }) => SHA256.test(sha256));
}

async function all<T>(service: CrashingService, path: string): Promise<T[]> {
  const found: T[] = [];
  for (let cursor = ''; ;) {
    const page = await service.get<Page<T>>(`${path}&limit=1000${cursor}`);
    found.push(...page.data);
    if (page.nextCursor === null) return found;
    cursor = `&cursor=${page.nextCursor}`;
  }
}

type Comparable = Pick<NodeDto, 'path' | 'policy' | 'disabled' | 'archived' | 'detached' | 'revisions' | 'version'>;

function stateOf({
  path,
  policy,
  disabled,
  archived,
  detached,
  revisions,
  version,
  head,
  aliases,
}: Omit<Comparable, 'policy'> & { policy: string; head: number | null; aliases: Record<string, number> }): string {
  const named = Object.entries(aliases).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ path, policy, disabled, archived, detached, revisions, version, head, named });
}
