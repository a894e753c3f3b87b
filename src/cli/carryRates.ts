import { DataError } from "../errors.ts";
import { measureRun } from "../measure/index.ts";
import { learningRatePath, type SweepRecord, type TrialRecord } from "../sweeps/index.ts";
import { short, table } from "./format.ts";
import type { TuneAnswer } from "./tuneAnswer.ts";

/** A tuned learning rate at another batch size, for runs of as many steps. */
export interface CarriedRate {
  readonly batchSize: number;
  readonly value: number;
  /** What the checkpoint says of η* there, over what it says at the tuned batch size. */
  readonly ratio: number;
}

/** By what factors carried rates missed the best ones where that was tried, and the tuned rate kept as it is. */
export interface CarriedMiss {
  readonly typical: number;
  readonly worst: number;
  readonly kept: number;
}

export interface Carried {
  readonly run: string;
  /** Step of the checkpoint that was measured. */
  readonly step: number;
  readonly optimizer: string;
  readonly rates: readonly CarriedRate[];
  /** Null for an optimizer with which nobody has tried it. */
  readonly miss: CarriedMiss | null;
}

/** From the committed report of the experiment carried-rates; a test compares them. */
export const carriedMisses: Readonly<Record<string, CarriedMiss>> = {
  adamw: { typical: 1.46, worst: 1.9, kept: 1.16 },
  muon: { typical: 1.63, worst: 1.82, kept: 1.31 },
};

/** As the experiment carried-rates measures. */
const [preferredSamples, probes] = [1024, 16];

/** Factors of the tuned batch size that the answer is carried to, unless it's asked for others. */
const defaultFactors = [1 / 4, 1 / 2, 2, 4, 8];

/**
 * Carries the answer to other batch sizes: the law of one step, measured at a checkpoint in the middle of the best run, says how η* changes
 * with the batch size, and the tuning what it is at one of them: `η(B) = η·η*(B)/η*(B₀)`.
 *
 * @throws DataError if noise hides the law
 */
export async function carryRates(
  answer: TuneAnswer,
  { definition, base }: SweepRecord,
  trials: readonly TrialRecord[],
  { home, threads }: { readonly home: string; readonly threads: number | null },
): Promise<Carried> {
  const distance = ({ values }: TrialRecord) =>
    Math.abs(Math.log((values[learningRatePath] as number) / answer.learningRate.value));
  const best = trials
    .filter(({ status, outcome }) => status === "finished" && outcome!.runId !== null)
    .reduce((a, b) => (distance(b) < distance(a) ? b : a));
  const { at } = definition.tune!;
  const wanted =
    at.length > 0
      ? at
      : defaultFactors.map((factor) => Math.round(factor * answer.batchSize)).filter((size) => size >= 1);
  const { run, checkpoints } = await measureRun({
    run: best.outcome!.runId!,
    home,
    checkpoints: [Math.ceil(answer.steps / 2)],
    at: wanted,
    preferredSamples,
    probes,
    ...(threads === null ? {} : { threads }),
  });
  const checkpoint = checkpoints[0]!;
  const own = checkpoint.own.learningRate.value;
  const usable = (value: number) => value > 0 && Number.isFinite(value);
  if (!usable(own))
    throw new DataError(
      `the checkpoint of step ${checkpoint.step} of run ${run.id} gives no learning rate at batch size ${answer.batchSize}: noise hides the descent, or the loss has no minimum along the update`,
    );
  const rates = [...new Set(wanted)].flatMap((batchSize): CarriedRate[] => {
    const ratio = checkpoint.predict(batchSize).learningRate.value / own;
    if (!usable(ratio)) return [];
    return [{ batchSize, ratio, value: answer.learningRate.value * ratio }];
  });
  const optimizer = base.optimizer.kind;
  return { run: run.id, step: checkpoint.step, optimizer, rates, miss: carriedMisses[optimizer] ?? null };
}

/** The carried rates in words, with what is known of how far they miss. */
export function carriedText({ run, step, optimizer, rates, miss }: Carried): string {
  const rows = rates.map(({ batchSize, value, ratio }) => [batchSize, short(value), `×${short(ratio)}`]);
  const factor = (value: number) => `${value.toFixed(2)}×`;
  return [
    `At other batch sizes, for as many steps (by the law measured at step ${step} of run ${run})`,
    table([["batch size", "learning rate", ""], ...rows]),
    miss === null
      ? `Nobody has tried with ${optimizer} how far such rates miss: a guess, to begin a sweep at.`
      : `A guess, to begin a sweep at: where it was tried with ${optimizer}, up to 4 times the batch size either way, such rates missed the best ones by ${factor(miss.typical)} typically and ${factor(miss.worst)} at worst, and the tuned rate kept as it is by ${factor(miss.kept)}${miss.kept < miss.typical ? ": keeping it was the better guess" : ""} (experiment carried-rates).`,
  ].join("\n\n");
}
