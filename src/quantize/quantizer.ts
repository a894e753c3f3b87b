import { type numpy as np, tree } from "@jax-js/jax";

/** A tree of arrays: what is trained, or state that is not. */
// biome-ignore lint/suspicious/noExplicitAny: trees are plain objects of any shape; jax-js types them as any too
export type QuantizerTree = any;

/** Arrays of a quantizer. */
export interface QuantizerVariables {
  /** Trained by an optimizer; may be empty. */
  readonly params: QuantizerTree;
  /** Not trained: a frozen table, moving averages; may be empty. */
  readonly state: QuantizerTree;
}

/** What a quantizer makes of vectors. */
export interface Quantized {
  /** `float32[.., D]`: the codes in value, with the estimator's derivative. */
  readonly quantized: np.Array;
  /** `int32[..]`; `int32[.., Q]` where a vector has several codes. */
  readonly indices: np.Array;
  /** `float32[]`: weighted losses, to be added to the reconstruction loss. */
  readonly loss: np.Array;
  /** `float32[]`: mean of `(z − q)²` over all components, to watch; no derivative. */
  readonly error: np.Array;
  /**
   * What {@link Quantizer.update} needs of the batch; no derivative. The first axis of its arrays is over vectors: those of several
   * batches, one after the other, are those of the batches as one.
   */
  readonly batch: QuantizerTree;
}

/**
 * A quantizer as plain functions over trees of arrays. All of them consume their arrays, may be traced by `jit`, `grad` and
 * `compile`, and refuse wrong shapes with a ShapeError before they consume anything.
 */
export interface Quantizer {
  /** `D` */
  readonly dim: number;
  /** Number of codes, for each index that a vector gets. */
  readonly codebookSizes: readonly number[];
  /** @param key - random key, consumed */
  init(key: np.Array): QuantizerVariables;
  /**
   * Codes, losses and derivatives of a batch. The state stays as it is; {@link Quantizer.update} moves it.
   *
   * @param z - `float32[.., D]`
   * @param key - random key; only `"diveq"` needs one
   * @throws ConfigError if a key is needed and missing
   */
  apply(params: QuantizerTree, state: QuantizerTree, z: np.Array, key?: np.Array): Quantized;
  /**
   * The state after a batch of `apply`: counts and moving averages. For training only, and outside `grad`: jax-js 0.1.25 can't return
   * other results from a gradient in which another one was taken, as here.
   */
  update(state: QuantizerTree, batch: QuantizerTree): QuantizerTree;
  /** Indices of `float32[.., D]`, as `apply` finds them. */
  encode(params: QuantizerTree, state: QuantizerTree, z: np.Array): np.Array;
  /**
   * Codes `float32[.., D]` of indices: bit for bit what `apply` puts out, except under `"diveq"`, which adds noise.
   *
   * @throws DataError for an index out of range, where values are known; nothing is consumed then
   */
  decode(params: QuantizerTree, state: QuantizerTree, indices: np.Array): np.Array;
}

/** Consumes trees that a function doesn't need. */
export function dispose(...trees: QuantizerTree[]): void {
  for (const each of trees) tree.dispose(each);
}
