import type { numpy as np } from "@jax-js/jax";
import { compile, compileStep, EngineArray, type EngineLeaves, type EngineState } from "../compile/index.ts";
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
  readonly #engine: { readonly threads?: number };
  readonly #step;

  constructor(model: TransformerConfig, threads?: number) {
    this.#model = model;
    this.#engine = threads === undefined ? {} : { threads };
    this.#step = compileStep(
      (
        cache: DecodeCache,
        params: TransformerParams,
        tokens: np.Array,
        position: np.Array,
      ): [DecodeCache, np.Array] => {
        const result = decode(params, cache, tokens, position, model);
        return [result.cache, result.logits];
      },
      { ...this.#engine, name: "decode", outputs: "engine" },
    );
  }

  /** An empty cache for so many sequences of at most `length` tokens. */
  async cache(batch: number, length: number): Promise<EngineState<DecodeCache>> {
    await using empty = compile(() => initCache(this.#model, batch, length), {
      ...this.#engine,
      outputs: "engine",
    });
    return await this.#step.init((await empty()) as never);
  }

  /**
   * Logits after one more token of each sequence.
   *
   * @param tokens - the token of each sequence at `position`
   * @returns `[B, V]`
   */
  async logits(
    cache: EngineState<DecodeCache>,
    params: EngineLeaves<TransformerParams>,
    tokens: Int32Array<ArrayBuffer>,
    position: number,
  ): Promise<Float32Array> {
    const result = (await this.#step(
      cache,
      params as never,
      EngineArray.from(tokens, [tokens.length, 1]) as never,
      EngineArray.from(Int32Array.of(position), []) as never,
    )) as unknown as EngineArray;
    return result.data as Float32Array;
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
  }
}
