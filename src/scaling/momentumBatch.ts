import { ConfigError } from "../errors.ts";
import { requireNonNegative, requirePositive } from "./checks.ts";
import { type ComponentStatistics, independentMoments } from "./directionProblem.ts";
import type { DirectionMoments } from "./generalLaw.ts";
import type { ComponentMoments } from "./softsignLaw.ts";

function requireDecay(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!(value >= 0 && value < 1))
      throw new ConfigError(`${where}: ${name} ${value}: expected a number from 0 to below 1`);
  }
}

/** A momentum whose weights of past gradients are known. */
export type Momentum =
  | { readonly kind: "average"; readonly decay: number }
  /** `g + decay·m` with `m ← decay·m + g` (Muon). */
  | { readonly kind: "nesterov"; readonly decay: number }
  /** `b1·m + (1 − b1)·g` with m an average of decay b2 (Lion). */
  | { readonly kind: "lion"; readonly b1: number; readonly b2: number };

/**
 * Number of batches that a momentum is worth, `(Σw)²/Σw²` of its weights w of past gradients, at parameters that move little over its
 * memory: as if each gradient came from a batch so many times larger.
 *
 * ```
 * average    (1 + β)/(1 − β)
 * nesterov   (1/(1 − β))² / ((1 + β)² + β⁴/(1 − β²))
 * lion       1 / ((1 − β₁)² + β₁²(1 − β₂)/(1 + β₂))
 * ```
 *
 * `effectiveBatches` does it for any weights.
 *
 * @throws ConfigError for a decay outside [0, 1)
 *
 * Source: the sums of geometric series.
 *
 * @example
 * ```ts
 * momentumBatches({ kind: "average", decay: 0.9 }); // => 19.0
 * momentumBatches({ kind: "nesterov", decay: 0.95 }); // => 32.9
 * momentumBatches({ kind: "lion", b1: 0.9, b2: 0.99 }); // => 71.1
 * ```
 */
export function momentumBatches(momentum: Momentum): number {
  switch (momentum.kind) {
    case "average": {
      const { decay } = momentum;
      requireDecay("momentumBatches", { decay });
      return (1 + decay) / (1 - decay);
    }
    case "nesterov": {
      const { decay } = momentum;
      requireDecay("momentumBatches", { decay });
      return (1 - decay) ** -2 / ((1 + decay) ** 2 + decay ** 4 / (1 - decay ** 2));
    }
    case "lion": {
      const { b1, b2 } = momentum;
      requireDecay("momentumBatches", { b1, b2 });
      return 1 / ((1 - b1) ** 2 + (b1 ** 2 * (1 - b2)) / (1 + b2));
    }
  }
}

export interface AdamMomentOptions {
  /** Decay of the mean. Default 0.9. */
  readonly b1?: number;
  /** ε, added to the root. Default 0. */
  readonly epsilon?: number;
}

/**
 * Moments of one component of Adam's update `m/(√v + ε)` in mean field, where parameters move little over both averages and b2 is near 1:
 *
 * ```
 * E[φ̃] = g/(√(g² + σ²/B) + ε)      E[φ̃²] = (g² + σ²/B̂)/(√(g² + σ²/B) + ε)²      B̂ = B(1 + β₁)/(1 − β₁)
 * ```
 *
 * as v holds the noise of one batch, and m that of `B̂/B`. Exact for v at its mean; a v that averages few batches adds a few percent.
 *
 * @param gradient - g
 * @param deviation - σ of one sample
 *
 * Source: derived from the definitions; the update's root mean square as in Su-11267.
 *
 * @example
 * ```ts
 * const { mean, square } = adamComponent(0, 1, 64);
 * [mean, Math.sqrt(square)]; // => [0, 0.229]
 * ```
 */
export function adamComponent(
  gradient: number,
  deviation: number,
  batchSize: number,
  { b1 = 0.9, epsilon = 0 }: AdamMomentOptions = {},
): ComponentMoments {
  requirePositive("adamComponent", { batchSize });
  requireNonNegative("adamComponent", { deviation, epsilon });
  const batches = momentumBatches({ kind: "average", decay: b1 });
  const noise = deviation ** 2 / batchSize;
  const root = Math.sqrt(gradient ** 2 + noise) + epsilon;
  if (root === 0) return { mean: 0, square: 0 };
  return { mean: gradient / root, square: (gradient ** 2 + noise / batches) / root ** 2 };
}

/**
 * Root mean square of Adam's update where all components have one ratio of noise to signal: `√((1 + κ²/B̂)/(1 + κ²/B))`, from
 * `√((1 − β₁)/(1 + β₁))` where noise hides the gradient (0.229 for 0.9, 0.160 for 0.95) to 1 where there is none. Practice has 0.2 to 0.3.
 *
 * @param noiseToSignal - κ², a mean of `σ²/g²`, in samples; infinite for no signal
 *
 * Source: Su-11267 for the limit.
 *
 * @example
 * ```ts
 * adamUpdateRms(Number.POSITIVE_INFINITY, 64); // => 0.229
 * adamUpdateRms(640, 64); // => 0.372
 * ```
 */
export function adamUpdateRms(
  noiseToSignal: number,
  batchSize: number,
  { b1 = 0.9 }: Pick<AdamMomentOptions, "b1"> = {},
): number {
  requirePositive("adamUpdateRms", { batchSize });
  if (!(noiseToSignal >= 0))
    throw new ConfigError(
      `adamUpdateRms: noiseToSignal ${noiseToSignal}: expected a number ≥ 0, or infinity`,
    );
  const batches = momentumBatches({ kind: "average", decay: b1 });
  if (noiseToSignal === Number.POSITIVE_INFINITY) return Math.sqrt(1 / batches);
  const noise = noiseToSignal / batchSize;
  return Math.sqrt((1 + noise / batches) / (1 + noise));
}

/**
 * `E[φ̃]ᵀg` and `E[φ̃ᵀHφ̃]` of Adam's update, for `generalLaw`, components independent: {@link adamComponent} in each.
 *
 * @param over - `"step"` (the default): of one update, whose noise momentum has averaged, so that η* is larger than without it and a surge is
 *   likelier; `"run"`: of many, which share their noise, so that it adds up over `(1 + β₁)/(1 − β₁)` of them to what it was: momentum is no
 *   larger batch then. Runs are told by the second.
 *
 * @example
 * ```ts
 * const components = { gradient: [0.1], deviation: [1], hessian: [2] };
 * const one = generalLaw(adamMoments(components, 4)).learningRate;
 * const many = generalLaw(adamMoments(components, 4, { over: "run" })).learningRate;
 * one / many; // => 11.2
 * ```
 */
export function adamMoments(
  statistics: ComponentStatistics,
  batchSize: number,
  { over = "step", ...options }: AdamMomentOptions & { readonly over?: "step" | "run" } = {},
): DirectionMoments {
  const shared = over === "run" ? momentumBatches({ kind: "average", decay: options.b1 ?? 0.9 }) : 1;
  return independentMoments("adamMoments", statistics, batchSize, (gradient, deviation) => {
    const { mean, square } = adamComponent(gradient, deviation, batchSize, options);
    return { mean, square: mean ** 2 + shared * (square - mean ** 2) };
  });
}
