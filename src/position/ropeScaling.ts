import { ConfigError } from "../errors.ts";

/**
 * How the frequencies of a model are changed for texts longer than those it was trained on:
 *
 * - `linear`: all are divided by `factor` (position interpolation, Chen et al., arXiv 2306.15595);
 * - `ntk`: the base becomes `base·factor^(d/(d−2))`, so that the highest stays and the lowest is divided by `factor`
 *   (NTK-aware, bloc97, 2023);
 * - `dynamic`: NTK-aware for a text of `length` tokens, `base·(factor·length/maxLength − (factor − 1))^(d/(d−2))`; no change up to
 *   `maxLength`;
 * - `yarn`: those that turn fewer than `betaSlow` times within `originalMaxLength` are divided by `factor`, those that turn more than
 *   `betaFast` times stay, with a ramp between; cos and sin are multiplied by the attention factor (Peng et al., arXiv 2309.00071);
 * - `llama3`: as YaRN but with a ramp in the wavelength, from `originalMaxLength/highFreqFactor` to `originalMaxLength/lowFreqFactor`
 *   (Llama 3.1);
 * - `longrope`: pair `j` is divided by a searched factor of its own, from one list for texts up to `originalMaxLength` and from another for
 *   longer ones; cos and sin are multiplied by the attention factor (Ding et al., arXiv 2402.13753; Phi-3);
 * - `proportional`: the lowest frequencies become 0, so that only a share of the pairs turns; those that do keep the frequencies of the
 *   whole head, unlike with a smaller `rotaryDim` (Gemma 4).
 */
export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | { readonly kind: "ntk"; readonly factor: number }
  | {
      readonly kind: "dynamic";
      readonly factor: number;
      /** Longest text of the training. */
      readonly maxLength: number;
      /** Tokens of the text at hand. */
      readonly length: number;
    }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly originalMaxLength: number;
      /** Default 32 (the paper). */
      readonly betaFast?: number;
      /** Default 1 (the paper). */
      readonly betaSlow?: number;
      /** What cos and sin are multiplied by. Default `0.1·mscale·ln(factor) + 1`. */
      readonly attentionFactor?: number;
      /** With `mscaleAllDim`, the default attention factor is the ratio of the two (DeepSeek-V3). */
      readonly mscale?: number;
      readonly mscaleAllDim?: number;
      /** Round the borders of the ramp outwards to whole pairs. Default true (Transformers). */
      readonly truncate?: boolean;
    }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly originalMaxLength: number;
      /** Default 1 (Llama 3.1). */
      readonly lowFreqFactor?: number;
      /** Default 4 (Llama 3.1). */
      readonly highFreqFactor?: number;
    }
  | {
      readonly kind: "longrope";
      /** Longest text over `originalMaxLength`; only the attention factor depends on it. */
      readonly factor: number;
      readonly originalMaxLength: number;
      /** One number per pair, for texts up to `originalMaxLength` tokens. */
      readonly shortFactors: readonly number[];
      /** The same for longer texts. */
      readonly longFactors: readonly number[];
      /** Tokens of the text at hand. Default `originalMaxLength`: the short factors. */
      readonly length?: number;
      /** What cos and sin are multiplied by. Default `√(1 + ln factor / ln originalMaxLength)`, 1 for factors up to 1. */
      readonly attentionFactor?: number;
    }
  | {
      readonly kind: "proportional";
      /** All frequencies are divided by it. Default 1. */
      readonly factor?: number;
      /** Share of the pairs that turn, in (0, 1], rounded down to whole pairs (`partial_rotary_factor` of Transformers). */
      readonly partialRotaryFactor: number;
    };

/** Names of the scalings. */
export const ropeScalingKinds = [
  "linear",
  "ntk",
  "dynamic",
  "yarn",
  "llama3",
  "longrope",
  "proportional",
] as const satisfies readonly RopeScaling["kind"][];

/** Frequencies of the pairs, and what cos and sin are multiplied by. */
export interface RopeFrequencies {
  /** Radians per position of pair `j`. */
  readonly frequencies: readonly number[];
  readonly attentionFactor: number;
}

function positive(name: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) {
    throw new ConfigError(`rope scaling: ${name} ${value}: expected a positive number`);
  }
}

/**
 * Frequencies `θ_j = base^(−2j/d)`, `j = 0 … d/2 − 1`, in radians per position.
 *
 * @throws ConfigError if `headDim` is odd or not positive, or `base` is not above 1
 *
 * Source: RoFormer, arXiv 2104.09864, eq. 15; Su-10352.
 *
 * @example
 * ```ts
 * rotaryFrequencies(4); // => [1, 0.01]
 * ```
 */
export function rotaryFrequencies(headDim: number, base = 10000): number[] {
  if (!Number.isInteger(headDim) || headDim <= 0 || headDim % 2 !== 0) {
    throw new ConfigError(`rotary: headDim ${headDim}: expected a positive even integer`);
  }
  if (!(base > 1)) throw new ConfigError(`rotary: base ${base}: expected a number above 1`);
  return Array.from({ length: headDim / 2 }, (_, j) => base ** ((-2 * j) / headDim));
}

/**
 * Frequencies under a long-context scaling, as `ROPE_INIT_FUNCTIONS` of Hugging Face's Transformers computes them (there in
 * float32, here in float64). Position rule and frequency allocation are chosen elsewhere.
 *
 * @param rotaryDim - `d`, the even number of components that turn
 * @param base - default 10000 (RoFormer)
 * @param scaling - null for none
 * @throws ConfigError naming the number that is out of range
 *
 * Source: Transformers 5.24, modeling_rope_utils; the papers named at {@link RopeScaling}.
 *
 * @example
 * ```ts
 * ropeFrequencies(4, 10000).frequencies; // => [1, 0.01]
 * ropeFrequencies(4, 10000, { kind: "linear", factor: 2 }).frequencies; // => [0.5, 0.005]
 * ```
 */
export function ropeFrequencies(
  rotaryDim: number,
  base = 10000,
  scaling: RopeScaling | null = null,
): RopeFrequencies {
  const plain = rotaryFrequencies(rotaryDim, base);
  if (scaling === null) return { frequencies: plain, attentionFactor: 1 };
  const { factor = 1 } = scaling;
  positive("factor", factor);
  switch (scaling.kind) {
    case "linear":
      return { frequencies: plain.map((theta) => theta / factor), attentionFactor: 1 };
    case "ntk":
      return { frequencies: changedBase(rotaryDim, base, factor), attentionFactor: 1 };
    case "dynamic": {
      positive("maxLength", scaling.maxLength);
      positive("length", scaling.length);
      const length = Math.max(scaling.length, scaling.maxLength);
      const growth = (factor * length) / scaling.maxLength - (factor - 1);
      return { frequencies: changedBase(rotaryDim, base, growth), attentionFactor: 1 };
    }
    case "yarn":
      return yarn(plain, rotaryDim, base, scaling);
    case "llama3":
      return { frequencies: llama3(plain, scaling), attentionFactor: 1 };
    case "longrope":
      return longrope(plain, scaling);
    case "proportional":
      return { frequencies: proportional(plain, scaling), attentionFactor: 1 };
    default:
      throw new ConfigError(
        `rope scaling "${(scaling as { kind: string }).kind}": expected one of ${ropeScalingKinds.join(", ")}`,
      );
  }
}

/** With two components there is one frequency, 1, whatever the base. */
function changedBase(rotaryDim: number, base: number, growth: number): number[] {
  const exponent = rotaryDim === 2 ? 0 : rotaryDim / (rotaryDim - 2);
  return rotaryFrequencies(rotaryDim, base * growth ** exponent);
}

function yarn(
  plain: readonly number[],
  rotaryDim: number,
  base: number,
  scaling: RopeScaling & { kind: "yarn" },
): RopeFrequencies {
  const { factor, originalMaxLength, betaFast = 32, betaSlow = 1, truncate = true } = scaling;
  positive("originalMaxLength", originalMaxLength);
  positive("betaFast", betaFast);
  positive("betaSlow", betaSlow);
  const magnitude = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const { mscale, mscaleAllDim } = scaling;
  const attentionFactor =
    scaling.attentionFactor ??
    (mscale && mscaleAllDim ? magnitude(mscale) / magnitude(mscaleAllDim) : magnitude(1));
  /** The pair that turns so many times within the original length. */
  const pairOf = (turns: number) =>
    (rotaryDim * Math.log(originalMaxLength / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  let [low, high] = [pairOf(betaFast), pairOf(betaSlow)];
  if (truncate) [low, high] = [Math.floor(low), Math.ceil(high)];
  low = Math.max(low, 0);
  high = Math.min(high, rotaryDim - 1);
  if (low === high) high += 0.001;
  const frequencies = plain.map((theta, j) => {
    const ramp = Math.min(Math.max((j - low) / (high - low), 0), 1);
    return (theta / factor) * ramp + theta * (1 - ramp);
  });
  return { frequencies, attentionFactor };
}

function llama3(plain: readonly number[], scaling: RopeScaling & { kind: "llama3" }): number[] {
  const { factor, originalMaxLength, lowFreqFactor = 1, highFreqFactor = 4 } = scaling;
  positive("originalMaxLength", originalMaxLength);
  positive("lowFreqFactor", lowFreqFactor);
  if (!(highFreqFactor > lowFreqFactor)) {
    throw new ConfigError(
      `rope scaling: highFreqFactor ${highFreqFactor}: expected more than lowFreqFactor ${lowFreqFactor}`,
    );
  }
  return plain.map((theta) => {
    const turns = (originalMaxLength * theta) / (2 * Math.PI);
    if (turns > highFreqFactor) return theta;
    if (turns < lowFreqFactor) return theta / factor;
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return ((1 - smooth) * theta) / factor + smooth * theta;
  });
}

function longrope(plain: readonly number[], scaling: RopeScaling & { kind: "longrope" }): RopeFrequencies {
  const { factor, originalMaxLength, length = originalMaxLength } = scaling;
  positive("originalMaxLength", originalMaxLength);
  positive("length", length);
  for (const name of ["shortFactors", "longFactors"] as const) {
    const factors = scaling[name];
    if (factors.length !== plain.length) {
      throw new ConfigError(
        `rope scaling: ${name}: ${factors.length} numbers: expected ${plain.length}, one per pair`,
      );
    }
    for (const value of factors) positive(name, value);
  }
  const factors = length > originalMaxLength ? scaling.longFactors : scaling.shortFactors;
  const attentionFactor =
    scaling.attentionFactor ??
    (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalMaxLength)));
  positive("attentionFactor", attentionFactor);
  return { frequencies: plain.map((theta, j) => theta / factors[j]!), attentionFactor };
}

function proportional(
  plain: readonly number[],
  { factor = 1, partialRotaryFactor }: RopeScaling & { kind: "proportional" },
): number[] {
  if (!(partialRotaryFactor > 0 && partialRotaryFactor <= 1)) {
    throw new ConfigError(
      `rope scaling: partialRotaryFactor ${partialRotaryFactor}: expected a number in (0, 1]`,
    );
  }
  const turning = Math.floor(partialRotaryFactor * plain.length);
  return plain.map((theta, j) => (j < turning ? theta / factor : 0));
}
