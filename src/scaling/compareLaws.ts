import { fitLaw, type LawFit, type Optimum, predictLog } from "./fitLaw.ts";
import type { LawFamily } from "./lawFamilies.ts";

/** How well a law explains the optima. */
export interface ComparedLaw {
  readonly fit: LawFit;
  /** Number of fitted parameters, the scale included. */
  readonly parameters: number;
  /** Akaike's criterion, corrected for few runs; infinite if there are no more optima than parameters. */
  readonly aicc: number;
  /** The Bayesian criterion. */
  readonly bic: number;
  /** Akaike weight: relative support among the laws compared, they sum to 1. */
  readonly weight: number;
  /**
   * Typical factor (root mean square of the logarithm) by which the law, fitted without a batch size, misses the optimum there;
   * null if there are too few batch sizes.
   */
  readonly leaveOneOutFactor: number | null;
}

export interface LawComparison {
  /** Best first. */
  readonly laws: readonly ComparedLaw[];
  /**
   * By how much the optima scatter more than their errors say, at least 1: the smallest χ² per degree of freedom among the laws. All
   * criteria divide χ² by it, and intervals are wider by its root.
   */
  readonly overdispersion: number;
}

/**
 * Fits laws to optima and weighs them.
 *
 * ```
 * AICc = χ²/ĉ + 2k + 2k(k+1)/(n−k−1)      BIC = χ²/ĉ + k·log n      weight ∝ exp(−AICc/2)
 * ```
 *
 * χ² is the log likelihood up to a constant, as the optima come with errors; ĉ is the overdispersion. n counts runs, not optima: each
 * optimum's place is a parameter of a joint fit of all runs, which a law replaces by its own k.
 *
 * @param runs - number of runs behind the optima; default the number of optima
 *
 * Source: Burnham and Anderson, Model selection and multimodel inference, 2002, sections 2.4 and 2.5 (QAICc).
 *
 * @example
 * ```ts
 * const optima = [16, 64, 256, 1024].map((batchSize) => ({
 *   batchSize,
 *   epsilon: 0,
 *   logRate: Math.log(0.001 * Math.sqrt(batchSize)),
 *   error: 0.05,
 * }));
 * const { laws } = compareLaws(lawFamilies, optima);
 * laws[0]!.fit.family.name; // => "square-root"
 * ```
 */
export function compareLaws(
  families: readonly LawFamily[],
  optima: readonly Optimum[],
  runs = optima.length,
): LawComparison {
  const n = optima.length;
  const fits = families.map((family) => {
    const fit = fitLaw(family, optima);
    return { fit, parameters: 1 + fit.coordinates.length };
  });
  const overdispersion = Math.max(
    1,
    Math.min(
      ...fits.map(({ fit, parameters }) =>
        n > parameters ? fit.chiSquared / (n - parameters) : Number.POSITIVE_INFINITY,
      ),
    ),
  );
  const scored = fits.map(({ fit, parameters: k }) => {
    const misfit = Number.isFinite(overdispersion) ? fit.chiSquared / overdispersion : 0;
    return {
      fit,
      parameters: k,
      aicc:
        n > k && runs > k + 1
          ? misfit + 2 * k + (2 * k * (k + 1)) / (runs - k - 1)
          : Number.POSITIVE_INFINITY,
      bic: misfit + k * Math.log(runs),
      leaveOneOutFactor: leaveOneOut(fit.family, k, optima),
    };
  });
  const least = Math.min(...scored.map(({ aicc }) => aicc));
  const relative = scored.map(({ aicc }) => (Number.isFinite(aicc) ? Math.exp(-(aicc - least) / 2) : 0));
  const sum = relative.reduce((a, b) => a + b, 0);
  const laws = scored
    .map((law, i) => ({ ...law, weight: sum > 0 ? relative[i]! / sum : 0 }))
    .sort((a, b) => a.aicc - b.aicc || a.bic - b.bic);
  return { laws, overdispersion: Number.isFinite(overdispersion) ? overdispersion : 1 };
}

function leaveOneOut(family: LawFamily, parameters: number, optima: readonly Optimum[]): number | null {
  const batches = [...new Set(optima.map(({ batchSize }) => batchSize))];
  if (batches.length < 3 || optima.length <= parameters) return null;
  let [sum, count] = [0, 0];
  for (const batch of batches) {
    const rest = optima.filter(({ batchSize }) => batchSize !== batch);
    if (rest.length < parameters) return null;
    const fit = fitLaw(family, rest);
    for (const optimum of optima) {
      if (optimum.batchSize !== batch) continue;
      sum += (predictLog(fit, optimum) - optimum.logRate) ** 2;
      count++;
    }
  }
  return Math.exp(Math.sqrt(sum / count));
}
