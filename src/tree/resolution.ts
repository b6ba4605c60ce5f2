/**
 * Which revision of each node a path means.
 *
 * The last segment is served at its `@`, or else at its head. From there the walk goes up: each parent at the revision
 * that the one below was trained on (pinned, the default), or at its head where the node below follows it. An `@` on an
 * inner segment wins, is marked off-pin where the one below was trained on another, and the walk goes on from it.
 *
 * Where nothing below pins a node (it is last, or the one below has no revision), its head is served. A revision that was
 * trained before its parent had any pins the parent to nothing: adding what came later would change its sum. A pin that
 * was recalled gives way to its fallback.
 */
import { NodeArchivedError, NodeDisabledError } from '../errors/nodes.js';
import { AncestorOverrideError, PathNotFoundError, RedirectedSegmentError } from '../errors/paths.js';
import { RevisionNotFoundError, RevisionRecalledError } from '../errors/revisions.js';
import { nearestPaths } from './nearest.js';
import { formatPath, formatSegment, type ParsedPath, type ParsedSegment } from './path.js';
import { pathDigest } from './path-digest.js';
import type { ModelRecord, RevisionRecord } from './records.js';
import { childOrRedirect } from './redirects.js';
import type { ResolutionReason, ResolvedPath, ResolvedStep } from './resolved-path.js';
import { isWithin } from './shape.js';
import { lineage, pathOf, type TreeNode, type TreeView } from './tree-node.js';

export interface ResolveOptions {
  /**
   * The node at and below which the caller may see: a path has to end there, and what lies above is served as it is,
   * without a weight or a revision of the caller's choice. Null: everywhere.
   */
  within?: string | null;
}

/** The node of each segment, root first. */
interface Descent {
  model: ModelRecord;
  nodes: TreeNode[];
  /** One a segment of the present path. */
  segments: readonly ParsedSegment[];
  redirected: boolean;
}

interface Choice {
  revision: RevisionRecord | null;
  reason: ResolutionReason;
  offPin: boolean;
  recalled: number | null;
}

export function resolve(tree: TreeView, path: ParsedPath, { within = null }: ResolveOptions = {}): ResolvedPath {
  const { model, nodes, segments, redirected } = descend(tree, path, within);
  if (within !== null) refuseOverrides(nodes, segments, within);
  const steps = new Array<ResolvedStep>(segments.length);

  let below: TreeNode | null = null;
  let chosenBelow: RevisionRecord | null = null;
  for (let i = steps.length; i >= 1; i--) {
    // `nodes` holds the root and one node a segment.
    const node = nodes[i] as TreeNode;
    const segment = segments[i - 1] as ParsedSegment;
    const { revision, reason, offPin, recalled } = choose(tree, node, segment, below, chosenBelow);
    steps[i - 1] = {
      nodeId: node.id,
      nodePath: '',
      reason,
      weight: segment.weight,
      revision,
      stale: false,
      offPin,
      recalled,
    };
    below = node;
    chosenBelow = revision;
  }

  let nodePath = path.model;
  let stale = false;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as ResolvedStep;
    step.nodePath = nodePath = `${nodePath}/${(segments[i] as ParsedSegment).name}`;
    const trainedOn = (step.revision as RevisionRecord | null)?.trainedOnId;
    stale ||= trainedOn !== undefined && trainedOn !== ((nodes[i] as TreeNode).head?.id ?? null);
    step.stale = stale;
  }
  return {
    path: formatPath({ model: path.model, segments: segments as ParsedSegment[] }),
    redirectedFrom: redirected ? formatPath(path) : null,
    model: { id: model.id, name: model.name, digest: model.digest },
    steps,
    digest: pathDigest(model.digest, steps),
  };
}

/** Root to leaf; refuses what is missing, out of the caller's sight, disabled or archived. */
function descend(tree: TreeView, path: ParsedPath, within: string | null): Descent {
  const model = tree.model(path.model);
  const root = model && tree.treeNode(model.rootNodeId);
  if (!model || !root) throw notFound(tree, path, within);
  let nodes = [root];
  let { segments } = path as { segments: readonly ParsedSegment[] };
  let redirected = false;
  let node: TreeNode = root;
  for (let i = 0; i < path.segments.length; i++) {
    const segment = path.segments[i] as ParsedSegment;
    const child = childOrRedirect(tree, node, segment.name);
    if (!child) throw notFound(tree, path, within);
    node = child;
    if (child.parent === nodes[nodes.length - 1] && child.name === segment.name) {
      nodes.push(child);
      continue;
    }
    // It lies elsewhere now, perhaps at another depth: what has been said of nodes that are still on the way is kept.
    const moved = lineage(child);
    const said = [...segments.slice(0, nodes.length - 1), segment];
    segments = [
      ...readdress(tree, path, within, [...nodes.slice(1), child], said, moved),
      ...path.segments.slice(i + 1),
    ];
    nodes = moved;
    redirected = true;
  }
  if (within !== null && !isWithin(node, within)) throw notFound(tree, path, within);
  refuseUnserved(nodes);
  return { model, nodes, segments, redirected };
}

/**
 * What was said of the nodes of an old address, on the nodes of the present one. A weight or a revision of a node that is
 * no longer on the way has nothing to apply to, and dropping it silently would serve something else than was asked for.
 */
function readdress(
  tree: TreeView,
  path: ParsedPath,
  within: string | null,
  oldNodes: readonly TreeNode[],
  said: readonly ParsedSegment[],
  moved: readonly TreeNode[],
): ParsedSegment[] {
  const lost = said.find(({ weight, revision }, i) => {
    const isPlain = weight === 1 && revision === null;
    return !isPlain && !moved.includes(oldNodes[i] as TreeNode);
  });
  const target = moved[moved.length - 1] as TreeNode;
  if (lost) {
    // To those who may not see where it went, it isn't there.
    if (within !== null && !isWithin(target, within)) throw notFound(tree, path, within);
    throw new RedirectedSegmentError(formatPath(path), formatSegment(lost), pathOf(target));
  }
  return moved.slice(1).map((node) => {
    const before = said[oldNodes.indexOf(node)];
    return { name: node.name, weight: before?.weight ?? 1, revision: before?.revision ?? null };
  });
}

function refuseUnserved(nodes: readonly TreeNode[]): void {
  for (const node of nodes) {
    if (node.disabled) throw new NodeDisabledError(pathOf(nodes[nodes.length - 1] as TreeNode), pathOf(node));
    if (node.archived) throw new NodeArchivedError(pathOf(nodes[nodes.length - 1] as TreeNode), pathOf(node));
  }
}

function refuseOverrides(nodes: readonly TreeNode[], segments: readonly ParsedSegment[], within: string): void {
  for (let i = 1; i < nodes.length; i++) {
    const node = nodes[i] as TreeNode;
    if (node.id === within) return;
    const segment = segments[i - 1] as ParsedSegment;
    if (segment.weight !== 1 || segment.revision !== null) throw new AncestorOverrideError(formatSegment(segment));
  }
}

function choose(
  tree: TreeView,
  node: TreeNode,
  segment: ParsedSegment,
  below: TreeNode | null,
  chosenBelow: RevisionRecord | null,
): Choice {
  if (segment.revision !== null) {
    const revision = named(node, segment.revision);
    if (revision.recalled) throw new RevisionRecalledError(pathOf(node), revision.number);
    const offPin = chosenBelow !== null && chosenBelow.trainedOnId !== revision.id;
    return { revision, reason: 'explicit', offPin, recalled: null };
  }
  const { head } = node;
  // A recalled pin counts also where the head is gone with it.
  const pinId = chosenBelow?.trainedOnId;
  const isFree = below !== null && (below.policy === 'follow' || below.detached);
  if (head === null && (isFree || !pinId)) return { revision: null, reason: 'empty', offPin: false, recalled: null };
  // A node that was moved was trained on nothing of its present parent: there is no pin to keep.
  if (isFree) return { revision: head, reason: 'follow', offPin: false, recalled: null };
  if (chosenBelow === null) return { revision: head, reason: 'head', offPin: false, recalled: null };
  if (pinId === null || pinId === undefined) {
    return { revision: null, reason: 'pinned', offPin: false, recalled: null };
  }
  const pin = pinId === head?.id ? head : tree.revision(pinId);
  if (pin?.nodeId !== node.id) {
    if (head === null) return { revision: null, reason: 'empty', offPin: false, recalled: null };
    return { revision: head, reason: 'follow', offPin: false, recalled: null };
  }
  if (!pin.recalled) return { revision: pin, reason: 'pinned', offPin: false, recalled: null };
  return { revision: standIn(tree, pin), reason: 'fallback', offPin: true, recalled: pin.number };
}

/** What is served in place of a revision; itself where it isn't recalled. A fallback may have been recalled later too. */
export function standIn(tree: TreeView, wanted: RevisionRecord): RevisionRecord | null {
  const seen = new Set<string>();
  let revision: RevisionRecord | undefined = wanted;
  while (revision?.recalled && !seen.has(revision.id)) {
    seen.add(revision.id);
    revision = revision.fallbackId === null ? undefined : tree.revision(revision.fallbackId);
  }
  return revision && !revision.recalled ? revision : null;
}

function named(node: TreeNode, ref: number | string): RevisionRecord {
  const found = typeof ref === 'number' ? numbered(node, ref) : ofAlias(node, ref);
  if (found) return found;
  const numbers = node.revisions.map((revision) => revision.number);
  throw new RevisionNotFoundError(pathOf(node), ref, numbers);
}

function numbered({ revisions }: TreeNode, number: number): RevisionRecord | undefined {
  // Numbers go 1, 2, … unless a revision was removed.
  const guess = revisions[number - 1];
  return guess?.number === number ? guess : revisions.find((revision) => revision.number === number);
}

function ofAlias({ aliases, revisions }: TreeNode, name: string): RevisionRecord | undefined {
  const alias = aliases.find((one) => one.name === name);
  return alias && revisions.find(({ id }) => id === alias.revisionId);
}

function notFound(tree: TreeView, path: ParsedPath, within: string | null): PathNotFoundError {
  const names = namesOf(path);
  return new PathNotFoundError(names.join('/'), nearestPaths(tree, names, within));
}

function namesOf(path: ParsedPath): string[] {
  return [path.model, ...path.segments.map((segment) => segment.name)];
}
