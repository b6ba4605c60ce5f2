/**
 * An entry as a key sees it that is bound to a subtree: values name ids and paths, also of what lies outside, from where a
 * node came or to which it went. Those are left out. Where the subtree itself was called otherwise, so are its old paths.
 */
import type { AuditEntryDto } from './audit.dto.js';

export interface Sight {
  /** Path of the node to which the key is bound. */
  top: string;
  /** Of a node, or of one of its revisions. */
  isVisibleId: (id: string) => boolean;
}

const ID = /^[0-9A-HJKMNP-TV-Z]{26}$/;
const PATH = /^[a-z0-9][a-z0-9._-]*(\/[^\s/]+)+$/;
/** Written by people, or about other places: nothing that the service says of this registry. */
const FREE_TEXT = new Set([
  'description',
  'message',
  'reason',
  'tags',
  'card',
  'author',
  'name',
  'alias',
  'redirect',
  'source',
]);
/** Holds a path also where that is a model's name alone. */
const PATHS = new Set(['path', 'parent']);
/** Holds an id of what is in no tree. */
const OTHER_IDS = new Set(['key']);

export function withinSight(entry: AuditEntryDto, sight: Sight): AuditEntryDto {
  const shown = (state: AuditEntryDto['before']) => state && shownObject(state, sight);
  return {
    ...entry,
    path: entry.path !== null && isWithin(entry.path, sight) ? entry.path : null,
    before: shown(entry.before),
    after: shown(entry.after),
  };
}

function shownObject(value: object, sight: Sight): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, shownValue(name, held, sight)]));
}

function shownValue(name: string, value: unknown, sight: Sight): unknown {
  if (FREE_TEXT.has(name)) return value;
  if (Array.isArray(value)) return value.map((one) => shownValue(name, one, sight));
  if (typeof value === 'object' && value !== null) return shownObject(value, sight);
  if (typeof value !== 'string') return value;
  if (ID.test(value)) return OTHER_IDS.has(name) || sight.isVisibleId(value) ? value : null;
  return (PATHS.has(name) || PATH.test(value)) && !isWithin(value, sight) ? null : value;
}

function isWithin(path: string, { top }: Sight): boolean {
  return path === top || path.startsWith(`${top}/`);
}
