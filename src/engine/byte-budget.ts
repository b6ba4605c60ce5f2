/**
 * Bytes that several KV caches of one device share. `live` bytes are promised to rows; `allocated` ones also count
 * places that a buffer holds ready. A place is never refused because of slack: the caches give theirs back first.
 */
export interface SlackHolder {
  /** Gives back what is not promised to rows. */
  trim(): void;
}

export class ByteBudget {
  readonly limitBytes: number;
  #liveBytes = 0;
  #allocatedBytes = 0;
  readonly #holders = new Set<SlackHolder>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get liveBytes(): number {
    return this.#liveBytes;
  }

  get allocatedBytes(): number {
    return this.#allocatedBytes;
  }

  /** Allocated past the limit: what `reclaim` has to get back. */
  get excessBytes(): number {
    return Math.max(0, this.#allocatedBytes - this.limitBytes);
  }

  /** Whether so many bytes could be allocated without asking anyone to give back. */
  hasSlackFor(bytes: number): boolean {
    return this.#allocatedBytes + bytes <= this.limitBytes;
  }

  /** Promises bytes to a row. False: out of budget now. Negative bytes are given back. */
  claim(bytes: number): boolean {
    if (bytes > 0 && this.#liveBytes + bytes > this.limitBytes) return false;
    this.#liveBytes += bytes;
    return true;
  }

  /** Records that a buffer grew (or, negative, shrank). */
  recordAllocated(bytes: number): void {
    this.#allocatedBytes += bytes;
  }

  /** Makes the caches give back slack, in the order of registration, until what is allocated is within the limit again. */
  reclaim(): void {
    for (const holder of this.#holders) {
      if (this.#allocatedBytes <= this.limitBytes) return;
      holder.trim();
    }
  }

  register(holder: SlackHolder): void {
    this.#holders.add(holder);
  }

  unregister(holder: SlackHolder): void {
    this.#holders.delete(holder);
  }
}
