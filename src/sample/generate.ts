import type { EngineLeaves, EnginePlacement } from "../compile/index.ts";
import { mix, promptTokens, StreamDecoder, type Tokenizer } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import type { TransformerConfig, TransformerParams } from "../nn/index.ts";
import { checkSeed } from "../numbers/index.ts";
import { DecodeStep } from "./decodeStep.ts";
import { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";

export interface GenerateOptions extends SamplingOptions {
  /** A text, or its tokens: one or more. */
  readonly prompt: string | readonly number[];
  readonly numTokens: number;
  readonly seed: number;
  readonly threads?: number;
  /** Tokens that end the text besides the end-of-text token. Default none. */
  readonly endTokens?: readonly number[];
}

/** How tokens are drawn one after the other. */
export interface DrawOptions extends SamplingOptions {
  /** Tokens before, at least one. */
  readonly ids: readonly number[];
  readonly numTokens: number;
  readonly seed: number;
  /** Tokens after which no more are drawn, besides the end-of-text token. Default none. */
  readonly endTokens?: readonly number[];
}

/** A token with what it was drawn from. */
export interface DrawnToken {
  readonly token: number;
  /** Of every token of the vocabulary, after those before this one. */
  readonly logits: Float32Array;
}

/** Keys and values that the arrays of jax-js can hold with room to spare. */
const maxCacheBytes = 2 ** 31;

/** Tokens of a prompt that go through the model at once, the most that it has. A shorter one goes one by one, which needs no graph of its own. */
const promptBlocks = [128, 32];

/** Generates text with a model, one token after the other, keeping keys and values of the past in the engine. */
export class Generator {
  readonly #config: TransformerConfig;
  readonly #tokenizer: Tokenizer;
  readonly #step: DecodeStep;

  constructor(config: TransformerConfig, tokenizer: Tokenizer, placement: EnginePlacement = {}) {
    this.#config = config;
    this.#tokenizer = tokenizer;
    this.#step = new DecodeStep(config, placement);
  }

  /**
   * Yields pieces of text after the prompt; ends early with the end-of-text token, or another that ends it.
   *
   * @throws ConfigError if an option is out of range, the cache would be too large, or the model has learned positions, and prompt and tokens need more than its `maxLength`; other models go on
   *   beyond it, with a larger cache
   */
  async *generate(
    params: EngineLeaves<TransformerParams>,
    { prompt, ...options }: GenerateOptions,
  ): AsyncGenerator<string> {
    const ids = typeof prompt === "string" ? promptTokens(this.#tokenizer, prompt) : prompt;
    const decoder = new StreamDecoder(this.#tokenizer);
    for await (const { token } of this.draws(params, { ids, ...options })) {
      if (this.#ends(token, options.endTokens)) break;
      yield decoder.push(token);
    }
    yield decoder.end();
  }

  #ends(token: number, endTokens: readonly number[] = []): boolean {
    return token === this.#tokenizer.endOfText || endTokens.includes(token);
  }

  /**
   * Yields tokens after others, each with the logits that it was drawn from; ends early with the end-of-text token, or another that ends it.
   *
   * @throws ConfigError as {@link generate}
   */
  async *draws(
    params: EngineLeaves<TransformerParams>,
    { ids, numTokens, seed, endTokens, ...sampling }: DrawOptions,
  ): AsyncGenerator<DrawnToken> {
    checkSampling(sampling);
    checkSeed("seed", seed);
    if (!Number.isInteger(numTokens) || numTokens < 0)
      throw new ConfigError(`numTokens ${numTokens}: expected an integer ≥ 0`);
    if (ids.length === 0) throw new ConfigError("ids: expected one token or more");
    const { maxLength, position: encoding } = this.#config;
    const length = ids.length + numTokens;
    if (encoding === "learned" && length > maxLength) {
      throw new ConfigError(
        `${ids.length} tokens of prompt and ${numTokens} to generate: expected at most ${maxLength} together (the model's maxLength, as its positions are learned)`,
      );
    }
    const { numLayers, numKvHeads, headDim } = this.#config;
    const places = Math.max(length, maxLength);
    const cacheBytes = 8 * numLayers * numKvHeads * headDim * places;
    if (cacheBytes > maxCacheBytes) {
      throw new ConfigError(
        `${numTokens} tokens to generate: keys and values of ${places} places would take ${(cacheBytes / 2 ** 30).toPrecision(3)} GiB, expected at most ${maxCacheBytes / 2 ** 30}`,
      );
    }
    using cache = await this.#step.cache(1, places);
    // All of the prompt but its last token, whose logits are the first to be drawn from.
    const before = ids.length - 1;
    let position = 0;
    const step = async (own: readonly number[]) => {
      const tokens = Int32Array.from(own);
      const logits = await this.#step.logits(cache, params, tokens, position, own.length);
      position += own.length;
      return logits;
    };
    const block = promptBlocks.find((size) => size <= before);
    while (block !== undefined && position < before) {
      // The last one begins inside of the one before, and puts the same keys and values in its places again.
      position = Math.min(position, before - block);
      await step(ids.slice(position, position + block));
    }
    while (position < before) await step([ids[position]!]);
    for (let token = ids.at(-1)!; position + 1 < length; ) {
      const drawn = mix(seed, position) / 2 ** 32;
      const logits = await step([token]);
      token = sampleToken(logits, sampling, drawn);
      yield { token, logits };
      if (this.#ends(token, endTokens)) return;
    }
  }

  /** The whole text at once. */
  async text(params: EngineLeaves<TransformerParams>, options: GenerateOptions): Promise<string> {
    let text = "";
    for await (const piece of this.generate(params, options)) text += piece;
    return text;
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
  }
}
