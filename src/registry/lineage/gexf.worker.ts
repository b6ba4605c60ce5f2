/** GEXF takes long to write, so that is done in a thread of its own. */
import type { Lineage } from '../../tree/lineage.js';
import { toGexf } from '../../tree/lineage-gexf.js';

export default function write(lineage: Lineage): string {
  return toGexf(lineage);
}
