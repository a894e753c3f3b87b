import { normalSampler } from "../numbers/index.ts";
import { extentOf, fitLaw, type LawFit, type Optimum, predictLog } from "./fitLaw.ts";
import { softsignFamily } from "./lawFamilies.ts";
import type { Estimate } from "./sweepOptima.ts";
import { weightedQuantile } from "./weightedQuantile.ts";

/** Replicates of the parametric bootstrap. */
const replicates = 200;

/** Log learning rates over log batch sizes, with uncertainty. */
export interface RateCurve {
  at(u: number, confidence: number): { value: number; low: number; high: number };
  joint(us: readonly number[]): { mean: number[]; covariance: number[][] };
}

/** What a law of batch size and ε says at one ε, with a bootstrap of the optima for its uncertainty. */
export interface EpsilonCurve extends RateCurve {
  readonly criticalBatchSize: Estimate;
  /** Share of replicates whose η* peaks below a batch size. */
  peaksBelow(batchSize: number): number;
}

/** @param spread - by how much optima scatter more than their errors say */
export function epsilonCurve(
  fit: LawFit,
  optima: readonly Optimum[],
  epsilon: number,
  spread: number,
  common: number,
  confidence: number,
): EpsilonCurve {
  const draw = normalSampler(1);
  const extent = extentOf(optima);
  const fits = Array.from({ length: replicates }, () => {
    const shift = common * draw();
    return fitLaw(
      softsignFamily,
      optima.map((optimum) => ({
        ...optimum,
        logRate: optimum.logRate + shift + spread * optimum.error * draw(),
      })),
      extent,
    );
  });
  const logs = (from: readonly LawFit[], u: number) =>
    from.map((one) => predictLog(one, { batchSize: Math.exp(u), epsilon }));
  const quantile = (values: readonly number[], q: number) =>
    weightedQuantile(
      values.map((value) => ({ value, weight: 1 })),
      q,
    )!;
  const features = fits.map(({ coordinates }) => softsignFamily.features(coordinates, epsilon));
  const critical = features.map((one) => one.criticalBatchSize ?? Number.POSITIVE_INFINITY);
  return {
    at(u, probability) {
      const [value] = logs([fit], u) as [number];
      const values = logs(fits, u);
      return {
        value,
        low: Math.min(value, quantile(values, (1 - probability) / 2)),
        high: Math.max(value, quantile(values, (1 + probability) / 2)),
      };
    },
    joint(us) {
      const values = us.map((u) => logs(fits, u));
      const mean = values.map((list) => list.reduce((a, b) => a + b, 0) / replicates);
      const covariance = values.map((a, i) =>
        values.map(
          (b, j) =>
            a.reduce((sum, value, r) => sum + (value - mean[i]!) * (b[r]! - mean[j]!), 0) / replicates,
        ),
      );
      return { mean, covariance };
    },
    criticalBatchSize: {
      value: quantile(critical, 0.5),
      low: quantile(critical, (1 - confidence) / 2),
      high: quantile(critical, (1 + confidence) / 2),
    },
    peaksBelow: (batchSize) =>
      features.filter(({ peakBatchSize }) => peakBatchSize <= batchSize).length / replicates,
  };
}
