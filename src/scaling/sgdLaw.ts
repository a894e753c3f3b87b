import { requirePositive } from "./checks.ts";
import type { DirectionMoments } from "./generalLaw.ts";
import type { StepOptimum } from "./optimum.ts";

/** Moments of gradient and curvature at one point of training. */
export interface SgdStatistics {
  /** `gᵀg` of the noiseless gradient. */
  readonly gradientSquared: number;
  /** `gᵀHg`. */
  readonly gradientCurvature: number;
  /** `tr(ΣH)`, Σ the covariance of one sample's gradient. */
  readonly noiseCurvature: number;
}

/** The law `η* = η_max / (1 + B_noise/B)`. */
export interface SgdLaw {
  /** `η_max = gᵀg / gᵀHg`, the best learning rate without noise. */
  readonly maxLearningRate: number;
  /** `B_noise = tr(ΣH) / gᵀHg`, in samples. */
  readonly noiseScale: number;
  /** `ΔL_max = (gᵀg)² / (2gᵀHg)`. */
  readonly maxLossDecrease: number;
}

/**
 * `E[φ̃]ᵀg` and `E[φ̃ᵀHφ̃] = gᵀHg + tr(ΣH)/B` of SGD, for the general law.
 *
 * @example
 * ```ts
 * sgdMoments({ gradientSquared: 4, gradientCurvature: 8, noiseCurvature: 80 }, 10); // => { alignment: 4, curvature: 16 }
 * ```
 */
export function sgdMoments(statistics: SgdStatistics, batchSize: number): DirectionMoments {
  requirePositive("sgdMoments", { batchSize });
  return {
    alignment: statistics.gradientSquared,
    curvature: statistics.gradientCurvature + statistics.noiseCurvature / batchSize,
  };
}

/**
 * The law of SGD from moments at one point of training.
 *
 * @throws ConfigError if a moment isn't positive
 *
 * Source: McCandlish et al., arXiv 1812.06162, eq. 2.5–2.8; Su-10542.
 *
 * @example
 * ```ts
 * const law = sgdLaw({ gradientSquared: 4, gradientCurvature: 8, noiseCurvature: 80 });
 * law; // => { maxLearningRate: 0.5, noiseScale: 10, maxLossDecrease: 1 }
 * ```
 */
export function sgdLaw({ gradientSquared, gradientCurvature, noiseCurvature }: SgdStatistics): SgdLaw {
  requirePositive("sgdLaw", { gradientSquared, gradientCurvature, noiseCurvature });
  return {
    maxLearningRate: gradientSquared / gradientCurvature,
    noiseScale: noiseCurvature / gradientCurvature,
    maxLossDecrease: gradientSquared ** 2 / (2 * gradientCurvature),
  };
}

/**
 * ```
 * η*(B) = η_max / (1 + B_noise/B)      ΔL*(B) = ΔL_max / (1 + B_noise/B)
 * ```
 *
 * Exact on quadratic losses. Linear in B for `B ≪ B_noise`, constant for `B ≫ B_noise`.
 *
 * @param batchSize - B in samples, > 0
 * @throws ConfigError for a batch size that isn't positive
 *
 * @example
 * ```ts
 * const law = sgdLaw({ gradientSquared: 4, gradientCurvature: 8, noiseCurvature: 80 });
 * sgdOptimum(law, 10); // => { learningRate: 0.25, lossDecrease: 0.5 }
 * ```
 */
export function sgdOptimum(law: SgdLaw, batchSize: number): StepOptimum {
  requirePositive("sgdOptimum", { batchSize });
  const saturation = 1 / (1 + law.noiseScale / batchSize);
  return {
    learningRate: law.maxLearningRate * saturation,
    lossDecrease: law.maxLossDecrease * saturation,
  };
}

/**
 * `B_simple = tr(Σ)/gᵀg`, in samples: `B_noise` if H is a multiple of the identity. No Hessian is needed.
 *
 * Otherwise it's off by `(tr(ΣH)/tr Σ) / (gᵀHg/gᵀg)`, the mean curvature the noise sees over that the gradient sees; the ratio lies
 * between the inverse and the value of H's condition number.
 *
 * @throws ConfigError if an argument isn't positive
 *
 * Source: McCandlish et al., arXiv 1812.06162, eq. 2.9.
 *
 * @example
 * ```ts
 * simpleNoiseScale(80, 4); // => 20
 * ```
 */
export function simpleNoiseScale(covarianceTrace: number, gradientSquared: number): number {
  requirePositive("simpleNoiseScale", { covarianceTrace, gradientSquared });
  return covarianceTrace / gradientSquared;
}
