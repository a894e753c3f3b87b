import type { CheckpointOptimum, Estimate } from "../scaling/index.ts";
import type { CheckpointMeasurement } from "./measureRun.ts";

/** Whether η* has a value. */
export const hasLearningRate = ({ learningRate }: { readonly learningRate: Estimate }) =>
  learningRate.value > 0 && Number.isFinite(learningRate.value);

/** η*(B) at `count` batch sizes over the range of the table, evenly spaced in logarithm; those without a value are left out. */
export function measuredCurve(
  measured: Pick<CheckpointMeasurement, "optima" | "predict">,
  count: number,
): CheckpointOptimum[] {
  const { optima } = measured;
  const [low, high] = [Math.log(optima[0]!.batchSize), Math.log(optima.at(-1)!.batchSize)];
  return Array.from({ length: count }, (_, i) =>
    measured.predict(Math.exp(low + ((high - low) * i) / Math.max(1, count - 1))),
  ).filter(hasLearningRate);
}
