import type { EngineLeaves, EnginePlacement } from "../compile/index.ts";
import { mix } from "../data/index.ts";
import type { TransformerConfig, TransformerParams } from "../nn/index.ts";
import { checkSeed } from "../numbers/index.ts";
import { type CodeVocabulary, codeOffsets, startToken } from "./codeTokens.ts";
import { DecodeStep } from "./decodeStep.ts";
import { checkSampling, type SamplingOptions, sampleToken } from "./sampleToken.ts";

export interface SampleCodesOptions extends SamplingOptions {
  /** Class of each image to draw, null without classes; as many images as there are entries. */
  readonly classes: readonly (number | null)[];
  readonly seed: number;
}

/** Images drawn together. */
const maxBatch = 64;

/** Draws codes of images with a transformer that was trained on them, many images at once. */
export class CodeSampler {
  readonly #vocabulary: CodeVocabulary;
  readonly #codesPerImage: number;
  readonly #step: DecodeStep;

  /** @param codesPerImage - codes of all vectors of an image */
  constructor(
    model: TransformerConfig,
    vocabulary: CodeVocabulary,
    codesPerImage: number,
    placement: EnginePlacement = {},
  ) {
    this.#vocabulary = vocabulary;
    this.#codesPerImage = codesPerImage;
    this.#step = new DecodeStep(model, placement);
  }

  /**
   * Draws images one code after the other. Only codes of the codebook whose turn it is can be drawn. An image depends on its seed, its
   * number and its class, not on the others.
   *
   * @returns `[images, codes of an image]`
   * @throws ConfigError for sampling options out of range; DataError for a class that there isn't
   */
  async sample(
    params: EngineLeaves<TransformerParams>,
    { classes, seed, ...sampling }: SampleCodesOptions,
  ): Promise<Int32Array> {
    checkSampling(sampling);
    checkSeed("seed", seed);
    const starts = classes.map((label) => startToken(this.#vocabulary, label));
    const codes = new Int32Array(starts.length * this.#codesPerImage);
    const size = Math.min(maxBatch, starts.length);
    for (let first = 0; first < starts.length; first += size) {
      const own = Array.from({ length: size }, (_, i) => starts[first + i] ?? starts.at(-1)!);
      await this.#sampleBatch(params, own, first, seed, sampling, codes);
    }
    return codes;
  }

  async #sampleBatch(
    params: EngineLeaves<TransformerParams>,
    starts: readonly number[],
    first: number,
    seed: number,
    sampling: SamplingOptions,
    codes: Int32Array,
  ): Promise<void> {
    const { codebookSizes } = this.#vocabulary;
    const offsets = codeOffsets(this.#vocabulary);
    const length = this.#codesPerImage;
    using cache = await this.#step.cache(starts.length, length);
    let tokens = Int32Array.from(starts);
    for (let position = 0; position < length; position++) {
      const logits = await this.#step.logits(cache, params, tokens, position);
      const vocabSize = logits.length / starts.length;
      const part = position % codebookSizes.length;
      tokens = new Int32Array(starts.length);
      for (let row = 0; row < starts.length; row++) {
        const begin = row * vocabSize + offsets[part]!;
        const own = logits.subarray(begin, begin + codebookSizes[part]!);
        const code = sampleToken(own, sampling, mix(seed, first + row, position) / 2 ** 32);
        tokens[row] = code + offsets[part]!;
        const at = (first + row) * length + position;
        if (at < codes.length) codes[at] = code;
      }
    }
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
  }
}
