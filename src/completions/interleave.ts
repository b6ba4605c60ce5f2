/**
 * Several async sequences as one, in the order in which their items come. Each is asked for its next item only when
 * its last one was taken, so a slow reader slows all of them down and nothing piles up here.
 */
export async function* interleave<T>(sequences: readonly AsyncIterable<T>[]): AsyncGenerator<T, void, undefined> {
  type Arrival = { from: AsyncIterator<T>; result: IteratorResult<T> } | { error: unknown };
  const arrivals: Arrival[] = [];
  let wake = (): void => undefined;
  const arrive = (arrival: Arrival): void => {
    arrivals.push(arrival);
    wake();
  };
  const ask = (from: AsyncIterator<T>): void => {
    from.next().then(
      (result) => arrive({ from, result }),
      (error: unknown) => arrive({ error }),
    );
  };

  const iterators = sequences.map((sequence) => sequence[Symbol.asyncIterator]());
  let open = iterators.length;
  iterators.forEach(ask);
  try {
    while (open > 0) {
      const arrival = arrivals.shift();
      if (!arrival) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      if ('error' in arrival) throw arrival.error;
      if (arrival.result.done) {
        open--;
        continue;
      }
      yield arrival.result.value;
      ask(arrival.from);
    }
  } finally {
    // Not awaited: a sequence that waits for its next item only ends once its source does, which the caller's abort
    // signal takes care of.
    for (const iterator of iterators) void iterator.return?.().catch(() => undefined);
  }
}
