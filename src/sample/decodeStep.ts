import type { numpy as np } from "@jax-js/jax";
import {
  compile,
  compileStep,
  EngineArray,
  type EngineLeaves,
  type EnginePlacement,
  type EngineState,
} from "../compile/index.ts";
import {
  type DecodeCache,
  decode,
  initCache,
  type TransformerConfig,
  type TransformerParams,
} from "../nn/index.ts";

/** Puts one token after the other through a transformer; keys and values of the past stay in the engine. */
export class DecodeStep {
  readonly #model: TransformerConfig;
  readonly #placement: EnginePlacement;
  readonly #step;

  constructor(model: TransformerConfig, placement: EnginePlacement = {}) {
    this.#model = model;
    this.#placement = placement;
    this.#step = compileStep(
      (
        cache: DecodeCache,
        params: TransformerParams,
        tokens: np.Array,
        position: np.Array,
      ): [DecodeCache, np.Array] => {
        const { cache: next, logits } = decode(params, cache, tokens, position, model);
        const count = tokens.shape[1]!;
        return [next, count === 1 ? logits : logits.slice([], [count - 1, count])];
      },
      { ...this.#placement, name: "decode", outputs: "engine" },
    );
  }

  /** An empty cache for so many sequences of at most `length` tokens. */
  async cache(batch: number, length: number): Promise<EngineState<DecodeCache>> {
    await using empty = compile(() => initCache(this.#model, batch, length), {
      ...this.#placement,
      outputs: "engine",
    });
    return await this.#step.init(await empty());
  }

  /**
   * Logits after more tokens of each sequence.
   *
   * @param tokens - those of each sequence from `position` on, one sequence after the other. Each number of them is a graph of its own.
   * @param count - tokens of a sequence. Default 1.
   * @returns `[B, V]`, after the last of them
   */
  async logits(
    cache: EngineState<DecodeCache>,
    params: EngineLeaves<TransformerParams>,
    tokens: Int32Array<ArrayBuffer>,
    position: number,
    count = 1,
  ): Promise<Float32Array> {
    const result = await this.#step(
      cache,
      params,
      EngineArray.from(tokens, [tokens.length / count, count]),
      EngineArray.from(Int32Array.of(position), []),
    );
    return result.data as Float32Array;
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
  }
}
