/**
 * Which revision of each node a path means.
 *
 * The last segment is served at its `@`, or else at its head. From there the walk goes up: each parent at the revision
 * that the one below was trained on (pinned, the default), or at its head where the node below follows it. An `@` on an
 * inner segment wins, is marked off-pin where the one below was trained on another, and the walk goes on from it.
 *
 * Where nothing below pins a node (it is last, or the one below has no revision), its head is served. A revision that was
 * trained before its parent had any pins the parent to nothing: adding what came later would change its sum.
 */
import { NodeDisabledError, PathNotFoundError, RevisionNotFoundError } from '../errors.js';
import { nearestPaths } from './nearest.js';
import { formatPath, type ParsedPath, type ParsedSegment } from './path.js';
import { pathDigest } from './path-digest.js';
import type { ModelRecord, RevisionRecord } from './records.js';
import type { ResolutionReason, ResolvedPath, ResolvedStep } from './resolved-path.js';
import { pathOf, type TreeNode, type TreeView } from './tree-node.js';

/** The id of the revision that an alias of a node names now. */
export type AliasLookup = (nodeId: string, alias: string) => string | undefined;

interface Choice {
  revision: RevisionRecord | null;
  reason: ResolutionReason;
  offPin: boolean;
}

export function resolve(tree: TreeView, path: ParsedPath, aliases?: AliasLookup): ResolvedPath {
  const { model, nodes } = descend(tree, path);
  const steps = new Array<ResolvedStep>(path.segments.length);

  let below: TreeNode | null = null;
  let chosenBelow: RevisionRecord | null = null;
  for (let i = steps.length; i >= 1; i--) {
    // `nodes` holds the root and one node a segment.
    const node = nodes[i] as TreeNode;
    const segment = path.segments[i - 1] as ParsedSegment;
    const { revision, reason, offPin } = choose(tree, node, segment, below, chosenBelow, aliases);
    steps[i - 1] = {
      nodeId: node.id,
      nodePath: '',
      reason,
      weight: segment.weight,
      revision,
      stale: false,
      offPin,
    };
    below = node;
    chosenBelow = revision;
  }

  let nodePath = path.model;
  let stale = false;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as ResolvedStep;
    step.nodePath = nodePath = `${nodePath}/${(path.segments[i] as ParsedSegment).name}`;
    const trainedOn = (step.revision as RevisionRecord | null)?.trainedOnId;
    stale ||= trainedOn !== undefined && trainedOn !== ((nodes[i] as TreeNode).head?.id ?? null);
    step.stale = stale;
  }
  return {
    path: formatPath(path),
    model: { id: model.id, name: model.name, digest: model.digest },
    steps,
    digest: pathDigest(model.digest, steps),
  };
}

/** Root to leaf; refuses what is missing or disabled. */
function descend(tree: TreeView, path: ParsedPath): { model: ModelRecord; nodes: TreeNode[] } {
  const model = tree.model(path.model);
  const root = model && tree.treeNode(model.rootNodeId);
  if (!model || !root) throw notFound(tree, path);
  const nodes = [root];
  let node: TreeNode = root;
  let disabled = root.disabled ? 0 : -1;
  for (const { name } of path.segments) {
    const child = tree.childOf(node, name);
    if (!child) throw notFound(tree, path);
    node = child;
    if (node.disabled && disabled < 0) disabled = nodes.length;
    nodes.push(node);
  }
  if (disabled >= 0) {
    const names = namesOf(path);
    throw new NodeDisabledError(names.join('/'), names.slice(0, disabled + 1).join('/'));
  }
  return { model, nodes };
}

function choose(
  tree: TreeView,
  node: TreeNode,
  segment: ParsedSegment,
  below: TreeNode | null,
  chosenBelow: RevisionRecord | null,
  aliases: AliasLookup | undefined,
): Choice {
  if (segment.revision !== null) {
    const revision = named(tree, node, segment.revision, aliases);
    const offPin = chosenBelow !== null && chosenBelow.trainedOnId !== revision.id;
    return { revision, reason: 'explicit', offPin };
  }
  const { head } = node;
  if (head === null) return { revision: null, reason: 'empty', offPin: false };
  // A node that was moved was trained on nothing of its present parent: there is no pin to keep.
  if (below && (below.policy === 'follow' || below.detached)) {
    return { revision: head, reason: 'follow', offPin: false };
  }
  if (chosenBelow === null) return { revision: head, reason: 'head', offPin: false };
  if (chosenBelow.trainedOnId === null) return { revision: null, reason: 'pinned', offPin: false };
  const pin = chosenBelow.trainedOnId === head.id ? head : tree.revision(chosenBelow.trainedOnId);
  return pin?.nodeId === node.id
    ? { revision: pin, reason: 'pinned', offPin: false }
    : { revision: head, reason: 'follow', offPin: false };
}

function named(tree: TreeView, node: TreeNode, ref: number | string, aliases: AliasLookup | undefined): RevisionRecord {
  const found = typeof ref === 'number' ? numbered(node, ref) : ofAlias(tree, aliases?.(node.id, ref));
  if (found?.nodeId === node.id) return found;
  const numbers = node.revisions.map((revision) => revision.number);
  throw new RevisionNotFoundError(pathOf(node), ref, numbers);
}

function numbered({ revisions }: TreeNode, number: number): RevisionRecord | undefined {
  // Numbers go 1, 2, … unless a revision was removed.
  const guess = revisions[number - 1];
  return guess?.number === number ? guess : revisions.find((revision) => revision.number === number);
}

function ofAlias(tree: TreeView, revisionId: string | undefined): RevisionRecord | undefined {
  return revisionId === undefined ? undefined : tree.revision(revisionId);
}

function notFound(tree: TreeView, path: ParsedPath): PathNotFoundError {
  const names = namesOf(path);
  return new PathNotFoundError(names.join('/'), nearestPaths(tree, names));
}

function namesOf(path: ParsedPath): string[] {
  return [path.model, ...path.segments.map((segment) => segment.name)];
}
