import type { Prisma } from './generated/client.js';

/** A database as Prisma reaches it, migrated. */
export interface Driver {
  adapter: NonNullable<Prisma.PrismaClientOptions['adapter']>;
  /** For people: "embedded in …" or "PostgreSQL at host:port/name". */
  description: string;
  /** Names of the migrations that were applied while opening. */
  migrated: string[];
  close(): Promise<void>;
}
