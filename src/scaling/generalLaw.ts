import { ConfigError } from "../errors.ts";
import type { StepOptimum } from "./optimum.ts";

/** What has to be known of the direction φ̃ of an update `−η·φ̃` at one batch size. */
export interface DirectionMoments {
  /** `E[φ̃]ᵀg`, g being the gradient of the whole distribution. */
  readonly alignment: number;
  /** `E[φ̃ᵀHφ̃]`. */
  readonly curvature: number;
}

/**
 * The best learning rate of any optimizer, from the two expectations that decide it. To second order
 * `E[L(w − ηφ̃)] − L(w) = −η·E[φ̃]ᵀg + ½η²·E[φ̃ᵀHφ̃]`, hence
 *
 * ```
 * η* = E[φ̃]ᵀg / E[φ̃ᵀHφ̃]      ΔL* = (E[φ̃]ᵀg)² / (2·E[φ̃ᵀHφ̃])
 * ```
 *
 * Exact on quadratic losses, for every distribution of φ̃, correlated components included. Both expectations can be measured with
 * independent batches and Hessian-vector products, or computed: `signMoments`, `softsignMoments`, `sgdMoments`.
 *
 * @throws ConfigError if the alignment isn't positive (the update doesn't descend) or the curvature isn't (no optimum exists)
 *
 * Source: Su-10542, "general law".
 *
 * @example
 * ```ts
 * generalLaw({ alignment: 2, curvature: 8 }); // => { learningRate: 0.25, lossDecrease: 0.25 }
 * ```
 */
export function generalLaw({ alignment, curvature }: DirectionMoments): StepOptimum {
  if (!(alignment > 0))
    throw new ConfigError(
      `generalLaw: alignment ${alignment}: expected a positive number, an update that descends`,
    );
  if (!(curvature > 0))
    throw new ConfigError(
      `generalLaw: curvature ${curvature}: expected a positive number; the quadratic model has no best learning rate otherwise`,
    );
  return { learningRate: alignment / curvature, lossDecrease: alignment ** 2 / (2 * curvature) };
}
