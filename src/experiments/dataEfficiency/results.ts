import { stepsAndSamples } from "../../scaling/index.ts";
import { closedSgd, closedSign } from "../laws/closedForms.ts";
import type { LawStatistics } from "../laws/lawStatistics.ts";
import { stepsOf } from "../laws/measureSteps.ts";
import type { LawOptimizer } from "../laws/optimizers.ts";
import type { Comparison } from "../laws/predictions.ts";
import { atBatch } from "../laws/runOptima.ts";
import { type FittedTradeOff, tradeOffOf } from "../laws/tradeOff.ts";
import type { OptimizerResult, TaskResult } from "./trials.ts";

/** The critical batch size that a checkpoint's sums give an optimizer: B_noise of SGD, B_noise2 of the mean field for the others. */
export function closedScale(statistics: LawStatistics, { kind }: LawOptimizer): number | null {
  return kind === "sgd"
    ? (closedSgd(statistics)?.noiseScale ?? null)
    : (closedSign(statistics)?.criticalBatchSize ?? null);
}

/** The critical batch size that the general law gives: `1/ΔL*(B)` is to be a line in `1/B`, as the steps are. */
export function generalScale({ steps }: TaskResult, optimizer: LawOptimizer): FittedTradeOff | null {
  return tradeOffOf(
    stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { lawDecrease, law } }) =>
      lawDecrease === null || !(lawDecrease.low > 0) || law === null
        ? []
        : [
            {
              batchSize,
              steps: {
                value: 1 / lawDecrease.value,
                low: 1 / lawDecrease.high,
                high: 1 / lawDecrease.low,
              },
              learningRate: law.value,
              interior: true,
            },
          ],
    ),
  );
}

/** Places on the path where the loss is still above the target. */
export const onTheWay = ({ path, target }: TaskResult) =>
  path.filter(({ statistics }) => statistics.loss > target);

/** Mean over the path of logarithms; null if one can't be computed. */
export function typicalScale(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null && value > 0 && Number.isFinite(value)) as number[];
  if (known.length === 0 || known.length < values.length) return null;
  return Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length);
}

export function hyperbolaComparisons({ measured, fit }: OptimizerResult): Comparison[] {
  return fit === null
    ? []
    : measured.map(({ batchSize, steps }) => ({
        label: atBatch(batchSize),
        predicted: stepsAndSamples(fit, batchSize).steps,
        measured: steps,
      }));
}
