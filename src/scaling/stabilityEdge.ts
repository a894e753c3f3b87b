import { ConfigError } from "../errors.ts";

/** How an optimizer averages gradients: `m ← β·m + (1 − β)·g`, β = 0 for none. */
export interface EdgeMomentum {
  /** β in [0, 1). Default 0. */
  readonly decay?: number;
  /** Steps by `β·m + (1 − β)·g` instead of m. Default false. */
  readonly nesterov?: boolean;
}

/**
 * The edge of stability: steps `−η·P⁻¹m` on a quadratic with fixed P converge while `η·λ_max(P⁻¹H)` is below
 *
 * ```
 * none, average   2(1 + β)/(1 − β)                 2 without momentum, 38 for Adam's 0.9
 * nesterov        2(1 + β)/((1 − β)(1 + 2β))
 * ```
 *
 * where the mode of the largest curvature changes its sign at every step and stays as large. A momentum that sums gradients, `m ← β·m + g`,
 * has `1 − β` times as much.
 *
 * @throws ConfigError for a decay outside [0, 1)
 *
 * Source: Cohen et al., arXiv 2103.00065, appendix B, and arXiv 2207.14484, equation 5; the roots of the recursion at −1.
 *
 * @example
 * ```ts
 * stabilityEdge(); // => 2
 * stabilityEdge({ decay: 0.9 }); // => 38.0
 * stabilityEdge({ decay: 0.9, nesterov: true }); // => 13.6
 * ```
 */
export function stabilityEdge({ decay = 0, nesterov = false }: EdgeMomentum = {}): number {
  if (!(decay >= 0 && decay < 1))
    throw new ConfigError(`stabilityEdge: decay ${decay}: expected a number from 0 to below 1`);
  const edge = (2 * (1 + decay)) / (1 - decay);
  return nesterov ? edge / (1 + 2 * decay) : edge;
}
