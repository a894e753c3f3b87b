import { ConfigError } from "../errors.ts";
import { requirePositive } from "./checks.ts";

/** How long AdamW's weights remember. */
export interface DecayTimescale {
  /** `τ = 1/(ηλ)` */
  readonly steps: number;
  readonly samples: number;
  /** Null without a length. */
  readonly tokens: number | null;
}

/**
 * Weights under decoupled decay are an average of updates whose weight falls by e over `τ = 1/(ηλ)` steps. Kept the same in samples over batch
 * sizes and widths, a change of one of them changes no memory.
 *
 * @param options - learning rate, weight decay (multiplied by the learning rate, as in torch.optim.AdamW), samples per step and tokens per
 *   sample
 * @throws ConfigError for numbers that aren't positive
 *
 * Source: Wang and Aitchison, arXiv 2405.13698.
 *
 * @example
 * ```ts
 * decayTimescale({ learningRate: 0.001, weightDecay: 0.1, batchSize: 64, length: 1024 }); // => { steps: 10000, samples: 640000, tokens: 655360000 }
 * ```
 */
export function decayTimescale({
  learningRate,
  weightDecay,
  batchSize,
  length,
}: {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly batchSize: number;
  readonly length?: number;
}): DecayTimescale {
  requirePositive("decayTimescale", { learningRate, weightDecay, batchSize });
  if (length !== undefined) requirePositive("decayTimescale", { length });
  const steps = 1 / (learningRate * weightDecay);
  return {
    steps,
    samples: steps * batchSize,
    tokens: length === undefined ? null : steps * batchSize * length,
  };
}

/**
 * Root mean square of a weight that noise alone moves, once decay has balanced it: with `a = 1 − ηλ` and updates of root mean square u, whose
 * correlation falls by ρ a step,
 *
 * ```
 * RMS(w) = ηu·√( (1 + aρ) / ((1 − a²)(1 − aρ)) )  ≈  u·√(η/2λ)·√((1 + ρ)/(1 − ρ))
 * ```
 *
 * Momentum makes Adam's updates smaller by `√((1 − β₁)/(1 + β₁))` and correlated by β₁: both cancel, and RMS(w) is `√(η/2λ)`.
 *
 * @param correlation - ρ in [0, 1). Default 0.
 *
 * Source: the variance of a filtered sequence; Su, "An asymptotic estimate of AdamW's weight RMS", 2025.
 *
 * @example
 * ```ts
 * // Adam with b1 0.9, without a signal.
 * stationaryWeightRms({ updateRms: 0.229416, learningRate: 0.001, weightDecay: 0.1, correlation: 0.9 }); // => 0.0707
 * ```
 */
export function stationaryWeightRms({
  updateRms,
  learningRate,
  weightDecay,
  correlation = 0,
}: {
  readonly updateRms: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly correlation?: number;
}): number {
  requirePositive("stationaryWeightRms", { updateRms, learningRate, weightDecay });
  if (!(correlation >= 0 && correlation < 1))
    throw new ConfigError(
      `stationaryWeightRms: correlation ${correlation}: expected a number from 0 to below 1`,
    );
  const a = 1 - learningRate * weightDecay;
  if (!(a > 0))
    throw new ConfigError(
      `stationaryWeightRms: learningRate·weightDecay ${1 - a}: expected a number below 1, what a step takes of a weight`,
    );
  const shared = (1 + a * correlation) / (1 - a * correlation);
  return learningRate * updateRms * Math.sqrt(shared / (1 - a * a));
}

/**
 * Published: the best time scale of AdamW's decay as a share of the run, `τ/steps = 1.084·(tokens per parameter)^(−0.527)`. Of language models of
 * 0.1 to 3.3 billion parameters under muP with decay to zero: a fact to hold a tuning against.
 *
 * Source: Bergsma et al., Power Lines, arXiv 2505.13738.
 *
 * @example
 * ```ts
 * powerLinesTimescale(20); // => 0.22
 * ```
 */
export function powerLinesTimescale(tokensPerParameter: number): number {
  requirePositive("powerLinesTimescale", { tokensPerParameter });
  return 1.084 * tokensPerParameter ** -0.527;
}

/**
 * Published: best peak learning rate of AdamW `1.79·N^(−0.713)·D^0.307`, and batch size in tokens `0.58·D^0.571`. Of language models of N = 60
 * million to a billion parameters (without embeddings), at the authors' setting.
 *
 * Source: Li et al., Step Law, arXiv 2503.04715, its law for η(N, D) and B(D), constants included.
 *
 * @example
 * ```ts
 * const { learningRate, batchTokens } = stepLaw({ parameters: 1e9, tokens: 1e11 });
 * learningRate; // => 0.0016
 * Math.round(batchTokens / 1e5); // => 11
 * ```
 */
export function stepLaw({ parameters, tokens }: { readonly parameters: number; readonly tokens: number }): {
  readonly learningRate: number;
  readonly batchTokens: number;
} {
  requirePositive("stepLaw", { parameters, tokens });
  return { learningRate: 1.79 * parameters ** -0.713 * tokens ** 0.307, batchTokens: 0.58 * tokens ** 0.571 };
}
