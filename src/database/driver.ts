import type { Prisma } from './generated/client.js';

/** A database as Prisma reaches it, migrated. */
export interface Driver {
  adapter: NonNullable<Prisma.PrismaClientOptions['adapter']>;
  /** For people: "embedded in …" or "PostgreSQL at host:port/name". */
  description: string;
  /** Names of the migrations that were applied while opening. */
  migrated: string[];
  /** Only where others can write to the database too. */
  listen?(channel: string, heard: (payload: string | null) => void): Listener;
  close(): Promise<void>;
}

/** Hears what is announced on a channel, over a connection of its own that is made anew when it is lost. */
export interface Listener {
  /** Whether it would hear something now. */
  readonly connected: boolean;
  close(): Promise<void>;
}
