import {
  type SgdLaw,
  type SignLaw,
  type SoftsignLaw,
  sgdLaw,
  signLaw,
  simpleNoiseScale,
} from "../../scaling/index.ts";
import type { LawStatistics } from "./lawStatistics.ts";

/** B_simple at a checkpoint, in samples; null if noise hides the gradient. */
export function simpleScale({ noise, squaredGradient }: LawStatistics): number | null {
  return squaredGradient.value > 0 ? simpleNoiseScale(noise.value, squaredGradient.value) : null;
}

/** The law of SGD from the measured sums; null if one of them isn't positive. */
export function closedSgd(statistics: LawStatistics): SgdLaw | null {
  const { squaredGradient, gradientCurvature, noiseCurvature } = statistics;
  if ([squaredGradient, gradientCurvature, noiseCurvature].some(({ value }) => !(value > 0))) return null;
  return sgdLaw({
    gradientSquared: squaredGradient.value,
    gradientCurvature: gradientCurvature.value,
    noiseCurvature: noiseCurvature.value,
  });
}

/** The mean-field law of sign updates, with κ² = B_simple; null if a sum isn't positive. */
export function closedSign(statistics: LawStatistics): SignLaw | null {
  const noiseToSignal = simpleScale(statistics);
  const sign = statistics.soft.find(({ epsilon }) => epsilon === 0)!;
  const sums = [sign.alignment, sign.curvature, statistics.trace];
  if (noiseToSignal === null || sums.some(({ value }) => !(value > 0))) return null;
  return signLaw({
    gradientAbsoluteSum: sign.alignment.value,
    signCurvature: sign.curvature.value,
    hessianTrace: statistics.trace.value,
    noiseToSignal,
  });
}

/** The mean-field law of softsign at one ε, with `κ² = tr Σ/(|g|² + n·ε²)`; null if a sum isn't positive. */
export function closedSoftsign(statistics: LawStatistics, epsilon: number): SoftsignLaw | null {
  const { noise, squaredGradient, numParameters, trace, soft } = statistics;
  const { alignment, curvature } = soft.find((row) => row.epsilon === epsilon)!;
  if ([alignment, curvature, trace, squaredGradient].some(({ value }) => !(value > 0))) return null;
  const [Q, D] = [curvature.value, trace.value];
  const noiseToSignal = noise.value / (squaredGradient.value + numParameters * epsilon ** 2);
  const surge = Q > 2 * D;
  return {
    alignment: alignment.value,
    signalCurvature: Q,
    diagonalCurvature: D,
    noiseToSignal,
    surge,
    peakBatchSize: surge ? (Math.PI * noiseToSignal * D) / (2 * (Q - 2 * D)) : Number.POSITIVE_INFINITY,
  };
}
