/** What a graph's weights, adapters and cache are made of. */
export type FloatType = 'float32' | 'float16';

/** Which form of a decoder's graph is built: a lane is a session over one of them. */
export interface GraphOptions {
  /**
   * 'shared': a shared LoRA port on every linear. 'ports': a private one beside it. 'path': a shared one without a mask,
   * for rows that all take one path. `ports.ts` says what they are. 'none': the weights alone, as a merged lane runs them.
   */
  lora?: 'ports' | 'shared' | 'path' | 'none';
  /**
   * 'initializers': the session reads the weights from files. 'inputs': they are fed with each run, under the names of
   * the checkpoint, for a device that keeps tensors between runs.
   */
  weights?: 'initializers' | 'inputs';
  /** 'past': K and V of earlier tokens are fed, those of new ones leave. 'pool': the cache is written where it lies. */
  cache?: 'past' | 'pool';
  /** A run may have a second part (`ports.ts`); of a cache that is fed. */
  beside?: boolean;
  /** All rows of a run have one new token, T = 1: such a graph has fewer operators. Of a cache that is fed, without `beside`. */
  oneToken?: boolean;
  /**
   * 'float16', of weights that are inputs and a cache that is a pool: matrices, adapters and the pool are float16, and so
   * are the products with the first two. All else is computed in float32: `narrow.ts`.
   */
  floatType?: FloatType;
}
