/**
 * Revisions as one text, the way they come from the database at a start: an object each, with a dozen strings, would take
 * most of the start's time and memory, and most revisions are never asked for.
 *
 * A line a revision: `head,nodeId,id,number,digest,trainedOnId,rank,bytes,configBlob,weightsBlob,recalled,fallbackId`, where
 * `head` and `recalled` are 1 or 0, and an empty id stands for null. Ordered by node, as the nodes are that the page is of,
 * then by number. Neither ids nor digests hold a comma or an end of line.
 */
import { NodeNotFoundError } from '../errors/nodes.js';
import type { RevisionRecord } from './records.js';

const NEW_LINE = '\n';
const COMMA = ','.charCodeAt(0);
const ONE = '1'.charCodeAt(0);

/** Where in the line of a row. */
const NODE_ID_START = 2;
const ID = 2;
const TRAINED_ON_ID = 5;

export class RevisionPage {
  readonly rows: number;
  readonly text: string;
  /** Where each row's line begins, and where one after the last would. */
  readonly #starts: Uint32Array;
  /** Positions of their nodes. */
  readonly #nodes: Uint32Array;

  /** `nodes`: at least those that have revisions here. */
  constructor(text: string, nodes: readonly { id: string }[]) {
    this.text = text;
    const starts: number[] = [];
    for (let at = 0; at < text.length; at = ends(text, at) + 1) starts.push(at);
    this.rows = starts.length;
    starts.push(text.length + 1);
    this.#starts = Uint32Array.from(starts);
    this.#nodes = new Uint32Array(this.rows);
    let position = 0;
    for (let row = 0; row < this.rows; row++) {
      const start = (starts[row] as number) + NODE_ID_START;
      while (position < nodes.length && !isField(text, start, nodes[position]?.id ?? '')) position++;
      if (position === nodes.length) throw new NodeNotFoundError(text.slice(start, text.indexOf(',', start)));
      this.#nodes[row] = position;
    }
  }

  /** Position of the row's node among those that the page is of. */
  nodeOf(row: number): number {
    return this.#nodes[row] as number;
  }

  /** Where the row's id begins in the text. */
  idStart(row: number): number {
    return this.text.indexOf(',', (this.#starts[row] as number) + NODE_ID_START) + 1;
  }

  /** All of a node, of which `first` is the first. */
  unpack(first: number, nodeId: string): { revisions: RevisionRecord[]; head: RevisionRecord | null } {
    const revisions: RevisionRecord[] = [];
    let head: RevisionRecord | null = null;
    for (let row = first; this.#isOfNode(row, first); row++) {
      const revision = this.#record(row, nodeId);
      revisions.push(revision);
      if (this.#isHead(row)) head = revision;
    }
    return { revisions, head };
  }

  /** Id of the head of the node of which `first` is the first revision; null: it has none. */
  headId(first: number): string | null {
    const row = this.#headRow(first);
    return row === null ? null : this.#field(row, ID);
  }

  /** What that head was trained on; undefined: there is no head. */
  headTrainedOn(first: number): string | null | undefined {
    const row = this.#headRow(first);
    return row === null ? undefined : this.#field(row, TRAINED_ON_ID) || null;
  }

  #headRow(first: number): number | null {
    for (let row = first; this.#isOfNode(row, first); row++) if (this.#isHead(row)) return row;
    return null;
  }

  #isOfNode(row: number, first: number): boolean {
    return row < this.rows && this.#nodes[row] === this.#nodes[first];
  }

  #isHead(row: number): boolean {
    return this.text.charCodeAt(this.#starts[row] as number) === ONE;
  }

  #field(row: number, index: number): string {
    let start = this.#starts[row] as number;
    for (let i = 0; i < index; i++) start = this.text.indexOf(',', start) + 1;
    return this.text.slice(start, this.text.indexOf(',', start));
  }

  #record(row: number, nodeId: string): RevisionRecord {
    const line = this.text.slice(this.#starts[row], (this.#starts[row + 1] as number) - 1);
    const [
      ,
      ,
      id = '',
      number,
      digest = '',
      trainedOnId,
      rank,
      bytes,
      config = '',
      weights = '',
      recalled,
      fallbackId,
    ] = line.split(',');
    return {
      id,
      nodeId,
      number: Number(number),
      digest,
      trainedOnId: trainedOnId || null,
      rank: Number(rank),
      bytes: Number(bytes),
      configBlob: config,
      weightsBlob: weights,
      recalled: recalled === '1',
      fallbackId: fallbackId || null,
    };
  }
}

function ends(text: string, from: number): number {
  const at = text.indexOf(NEW_LINE, from);
  return at < 0 ? text.length : at;
}

function isField(text: string, start: number, value: string): boolean {
  return text.charCodeAt(start + value.length) === COMMA && text.startsWith(value, start);
}
