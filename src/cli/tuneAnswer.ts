import { learningRatesOf, stepSize, type TrainConfig } from "../config/index.ts";
import { DataError } from "../errors.ts";
import { optimizerMethods } from "../optim/index.ts";
import { type Estimate, fitSweep, type SweepOptimum } from "../scaling/index.ts";
import {
  learningRatePath,
  levelSeeds,
  type SweepRecord,
  sweepRow,
  type TrialRecord,
} from "../sweeps/index.ts";
import { commandLine } from "./commandLine.ts";
import { short } from "./format.ts";
import { shellWord } from "./shellWord.ts";

/** Where the best learning rate is, of the ones that were tried. */
export type TunedPlace = "inside" | "above" | "below" | "unresolved";

/** What a tuning found. */
export interface TuneAnswer {
  readonly sweep: string;
  /** Sequences or images of a step. */
  readonly batchSize: number;
  /** Steps of each run, and of the configuration. */
  readonly steps: number;
  readonly fullSteps: number;
  readonly runs: number;
  readonly diverged: number;
  readonly failed: number;
  /** Runs that there was no time for. */
  readonly left: number;
  readonly tried: readonly [smallest: number, largest: number];
  readonly learningRate: Estimate;
  readonly place: TunedPlace;
  /** Loss at the best learning rate. */
  readonly loss: number;
  readonly confidence: number;
  /** The configuration's own. */
  readonly configured: number;
  /** Arguments that train with it. */
  readonly train: readonly string[];
}

const confidence = 0.9;
const places: Record<SweepOptimum["kind"], TunedPlace> = {
  interior: "inside",
  bracketed: "inside",
  above: "above",
  below: "below",
  unresolved: "unresolved",
};

/** Arguments of `rotor train` for a learning rate; the second one of an optimizer keeps its ratio. */
function trainArguments({ definition, base }: SweepRecord, learningRate: number): string[] {
  const { reference, settings } = definition.tune!;
  const { main, other } = learningRatesOf(base.optimizer);
  const digits = (value: number) => Number(value.toPrecision(3));
  const chosen = [`${learningRatePath}=${digits(learningRate)}`];
  if ("adamw" in optimizerMethods[base.optimizer.kind].options)
    chosen.push(`optimizer.adamw.learningRate=${digits((learningRate * other) / main)}`);
  const kept = settings.filter(
    (setting) => !chosen.some((one) => one.split("=")[0] === setting.split("=")[0]),
  );
  return ["train", reference, ...[...kept, ...chosen].flatMap((setting) => ["--set", setting])];
}

/**
 * The answer of the runs that have ended.
 *
 * @throws DataError if they say nothing: why, and what to do
 */
export function tuneAnswer(sweep: SweepRecord, trials: readonly TrialRecord[]): TuneAnswer {
  const ended = trials.filter(({ outcome }) => outcome !== null && outcome.status !== "failed");
  const rows = levelSeeds(ended).map(sweepRow);
  const failed = trials.filter(({ status }) => status === "failed");
  const finished = rows.filter(({ loss }) => Number.isFinite(loss));
  const rates = rows.map(({ learningRate }) => learningRate);
  const { tune } = sweep.definition;
  const more = `go on with: ${commandLine(`tune --resume ${sweep.id} --minutes ${tune!.minutes}`)}`;
  const left = trials.length - ended.length - failed.length;
  if (failed.length > 0 && ended.length === 0)
    throw new DataError(`no run finished: ${failed[0]!.outcome!.message}`);
  if (finished.length === 0 && rows.length > 0)
    throw new DataError(
      `all ${rows.length} runs diverged, down to learning rate ${short(Math.min(...rates))}: ${more}`,
    );
  if (new Set(finished.map(({ learningRate }) => learningRate)).size < 3)
    throw new DataError(
      `${finished.length} runs finished in the time: expected 3 learning rates or more; ${more}`,
    );
  const optimum = fitSweep(rows, { confidence }).optima[0]!;
  return {
    sweep: sweep.id,
    batchSize: stepSize(sweep.base).samples,
    steps: sweep.base.training.steps,
    fullSteps: tune!.steps,
    runs: finished.length,
    diverged: rows.length - finished.length,
    failed: failed.length,
    left,
    tried: [Math.min(...rates), Math.max(...rates)],
    learningRate: { value: optimum.value, low: optimum.low, high: optimum.high },
    place: places[optimum.kind],
    loss: optimum.loss,
    confidence,
    configured: learningRatesOf(sweep.base.optimizer).main,
    train: trainArguments(sweep, optimum.value),
  };
}

/** The command that trains with the answer. */
export const trainCommandLine = ({ train }: Pick<TuneAnswer, "train">) =>
  commandLine(train.map(shellWord).join(" "));

const item = (config: TrainConfig) =>
  config.task === "language" ? "sequences" : config.task === "own" ? "examples" : "images";
const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** The answer in words. */
export function tuneText(answer: TuneAnswer, sweep: SweepRecord): string {
  const { learningRate: rate, place, tried, runs, diverged, failed, left, steps, fullSteps } = answer;
  const range = `${Math.round(100 * answer.confidence)} % interval ${short(rate.low)} to ${short(rate.high)}`;
  const at = `at batch size ${answer.batchSize} (${item(sweep.base)})`;
  const resume = commandLine(`tune --resume ${answer.sweep} --minutes ${sweep.definition.tune!.minutes}`);
  const said = {
    inside: `Best learning rate ${at}: ${short(rate.value)}, ${range}.`,
    above: `The best learning rate ${at} is ${short(rate.value)}, the largest tried, or above it. Look further: ${resume}`,
    below: `The best learning rate ${at} is ${short(rate.value)}, the smallest tried, or below it. Look further: ${resume}`,
    unresolved: `The losses are too noisy to tell the best learning rate ${at}; lowest near ${short(rate.value)}. More runs: ${resume}`,
  };
  const counts = [
    plural(runs, "run"),
    ...(diverged > 0 ? [`${diverged} diverged`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(left > 0 ? [`${left} without time`] : []),
  ].join(", ");
  const lines = [
    said[place],
    `${counts} at learning rates ${short(tried[0])} to ${short(tried[1])}, of ${steps} steps${steps < fullSteps ? ` (the configuration has ${fullSteps}: the best learning rate of longer runs may differ; more --minutes make these longer)` : ""}; loss ${short(answer.loss, 4)}.`,
  ];
  if (place === "inside") {
    const factor = answer.configured / rate.value;
    const inside = answer.configured >= rate.low && answer.configured <= rate.high;
    lines.push(
      `The configuration has ${short(answer.configured)}${inside ? ", inside the interval" : factor > 1 ? `: ${short(factor, 2)} times as much` : `: ${short(1 / factor, 2)} times less`}.`,
    );
  }
  lines.push("", `train with it: ${trainCommandLine(answer)}`);
  return lines.join("\n");
}
