/**
 * Where an adapter stands on its way between disk and bank.
 *
 *     absent ──load──▶ loading ──loaded──▶ resident ──evict──▶ evicting ──evicted──▶ absent
 *                         └───────failed───────▶ absent
 *
 * Resident means folded in memory: in the host cache, in the bank, or both. It leaves when both have let it go; with
 * references it can't.
 */
export type Residency = 'absent' | 'loading' | 'resident' | 'evicting';
export type ResidencyEvent = 'load' | 'loaded' | 'failed' | 'evict' | 'evicted';

const TRANSITIONS: Readonly<Record<Residency, Partial<Record<ResidencyEvent, Residency>>>> = {
  absent: { load: 'loading' },
  loading: { loaded: 'resident', failed: 'absent' },
  resident: { evict: 'evicting' },
  evicting: { evicted: 'absent' },
};

export function nextResidency(state: Residency, event: ResidencyEvent): Residency {
  const next = TRANSITIONS[state][event];
  if (next === undefined) throw new Error(`an adapter that is ${state} can't be ${event}`);
  return next;
}

/** The state of each adapter, by revision digest. What isn't listed is absent. */
export class ResidencyTable {
  readonly #states = new Map<string, Residency>();

  state(digest: string): Residency {
    return this.#states.get(digest) ?? 'absent';
  }

  apply(digest: string, event: ResidencyEvent): Residency {
    const next = nextResidency(this.state(digest), event);
    if (next === 'absent') this.#states.delete(digest);
    else this.#states.set(digest, next);
    return next;
  }

  count(state: Residency): number {
    let count = 0;
    for (const each of this.#states.values()) if (each === state) count++;
    return count;
  }
}
