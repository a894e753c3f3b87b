import { fitSweep, type SweepFit, type SweepOptimum, type SweepRow } from "../../scaling/index.ts";
import type { LawPlan, PlannedSetting } from "./lawSettings.ts";
import type { LawTrials } from "./lawTrials.ts";
import { type LawOptimizer, optimizerName } from "./optimizers.ts";
import type { Comparison } from "./predictions.ts";
import { rowsForFit, sweepRuns } from "./runSweep.ts";

/** Coverage of the intervals of optima. */
export const confidence = 0.9;

/** Exponents of 2 where the search begins at the smallest batch size: only the number of trials depends on them. */
const starts = { sgd: -5, sign: -10, adam: -9, softsign: -9, muon: -8 } as const;

/** Exponent of 2 of the learning rate that is tried first. */
export function searchStart(optimizer: LawOptimizer): number {
  // For large ε the update is that of SGD divided by ε.
  const shift = "epsilon" in optimizer ? Math.max(0, Math.round(Math.log2(optimizer.epsilon / 3e-3))) : 0;
  return starts[optimizer.kind] + shift;
}

/** A sweep of whole runs of one optimizer. */
export interface RunOptima {
  readonly optimizer: LawOptimizer;
  readonly rows: readonly SweepRow[];
  /** Of the logarithms of the losses. */
  readonly fit: SweepFit;
}

/** Sweeps learning rate and batch size over whole runs and finds the best learning rate at each batch size. */
export async function runOptima(
  trials: LawTrials,
  optimizer: LawOptimizer,
  { steps, batchSizes }: Pick<LawPlan, "steps" | "batchSizes">,
  seeds: PlannedSetting["seeds"],
): Promise<RunOptima> {
  trials.note(`${optimizerName(optimizer)}: runs of ${steps} steps`);
  const rows = await sweepRuns({
    batchSizes,
    start: searchStart(optimizer),
    margin: 2,
    maxRates: 14,
    seeds,
    run: (batchSize, learningRate, seed) =>
      trials.finalLoss({ optimizer, batchSize, learningRate, seed, steps }),
  });
  await trials.forgetSteps();
  return { optimizer, rows, fit: fitSweep(rowsForFit(rows), { confidence }) };
}

/** Optima that are more than a bound. */
export function usable(optima: readonly SweepOptimum[]): SweepOptimum[] {
  return optima.filter(({ kind }) => kind === "interior" || kind === "bracketed");
}

/** Label of a comparison at a batch size. */
export const atBatch = (batchSize: number) => `B = ${batchSize}`;

/** How a law that is fitted to some batch sizes predicts others. */
export interface HeldOut {
  readonly comparisons: Comparison[];
  /** The law with the largest weight. */
  readonly law: string;
}

/** Fits that were made: verdicts, tables and the summary of a report ask for the same ones. */
const made = new WeakMap<readonly SweepRow[], Map<string, HeldOut>>();

/**
 * Fits the laws to the runs of some batch sizes and predicts the best learning rate at the others, whose optima come from their own
 * runs alone.
 */
export function predictHeldOut(
  rows: readonly SweepRow[],
  fitted: readonly number[],
  heldOut: readonly number[],
): HeldOut {
  const own = made.get(rows) ?? new Map<string, HeldOut>();
  made.set(rows, own);
  const key = `${fitted.join()}|${heldOut.join()}`;
  const known = own.get(key) ?? heldOutFit(rows, fitted, heldOut);
  own.set(key, known);
  return known;
}

function heldOutFit(
  rows: readonly SweepRow[],
  fitted: readonly number[],
  heldOut: readonly number[],
): HeldOut {
  const of = (batchSizes: readonly number[]) =>
    rowsForFit(rows.filter(({ batchSize }) => batchSizes.includes(batchSize)));
  const { predictions, laws } = fitSweep(of(fitted), { at: heldOut, confidence });
  const { optima } = fitSweep(of(heldOut), { confidence, at: [] });
  return {
    law: laws[0]?.name ?? "none",
    comparisons: usable(optima).flatMap((measured) => {
      const prediction = predictions.find(({ batchSize }) => batchSize === measured.batchSize);
      return prediction === undefined
        ? []
        : [{ label: atBatch(measured.batchSize), predicted: prediction.value, measured }];
    }),
  };
}
