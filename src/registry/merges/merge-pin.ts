/** A path that every instance keeps merged, as the database has it. */
export interface MergePin {
  /** A ULID: sorts by age. */
  id: string;
  /** Canonical, with weights and revisions as it was asked for. */
  path: string;
  /** The last node of the path. */
  nodeId: string;
  createdAt: Date;
}
