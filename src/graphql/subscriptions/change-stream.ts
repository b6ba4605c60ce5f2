/**
 * What is committed, for one subscriber: an iterator that holds what its reader hasn't taken yet. By hand, because an async
 * generator that waits can't be ended from outside, and would stay subscribed for ever.
 */
import { SubscriptionOverflowError } from '../../errors/graphql.js';

/** A reader that is further behind is told so, and ends. */
const MAX_WAITING = 1_000;

type Step<T> = IteratorResult<T, undefined>;

export class ChangeStream<T> implements AsyncIterableIterator<T, undefined> {
  readonly #unsubscribe: () => void;
  readonly #waiting: T[] = [];
  readonly #readers: PromiseWithResolvers<Step<T>>[] = [];
  #failure: Error | null = null;
  #ended = false;

  /** `subscribe` is told where to put what comes, and returns what ends that. */
  constructor(subscribe: (push: (value: T) => void) => () => void) {
    this.#unsubscribe = subscribe((value) => this.#push(value));
  }

  next(): Promise<Step<T>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#failure) {
      const failure = this.#failure;
      this.#failure = null;
      return Promise.reject(failure);
    }
    if (this.#ended) return Promise.resolve(END);
    const reader = withResolvers<Step<T>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<Step<T>> {
    this.#waiting.length = 0;
    this.#failure = null;
    this.#end();
    return Promise.resolve(END);
  }

  throw(error: Error): Promise<Step<T>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #push(value: T): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value, done: false });
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(value);
    else {
      this.#waiting.length = 0;
      this.#failure = new SubscriptionOverflowError(MAX_WAITING);
      this.#end();
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unsubscribe();
    for (const reader of this.#readers.splice(0)) reader.resolve(END);
  }
}

const END = { value: undefined, done: true } as const;

interface PromiseWithResolvers<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
}

/** Node 20 has no `Promise.withResolvers`. */
function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
