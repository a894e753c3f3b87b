import type { SweepRecord, TrialRecord } from "../sweeps/index.ts";
import { duration, short, table } from "./format.ts";

/** Shortest endings of the paths that tell them apart: `learningRate` for `optimizer.learningRate`. */
export function shortPaths(paths: readonly string[]): string[] {
  return paths.map((path) => {
    const parts = path.split(".");
    for (let length = 1; length < parts.length; length++) {
      const ending = parts.slice(-length).join(".");
      if (paths.every((other) => other === path || !`.${other}`.endsWith(`.${ending}`))) return ending;
    }
    return path;
  });
}

const valueText = (value: unknown) =>
  typeof value === "number" ? short(value, 4) : typeof value === "string" ? value : JSON.stringify(value);

/** A trial's parameters in one line: `batchSize 8, learningRate 0.01, seed 1`. */
export function trialText({ definition }: SweepRecord, { values, config }: TrialRecord): string {
  const paths = Object.keys(values);
  const names = shortPaths(paths);
  const parts = paths.map((path, i) => `${names[i]} ${valueText(values[path])}`);
  if (definition.seeds.length > 1) parts.push(`seed ${config.training.seed}`);
  return parts.join(", ");
}

/** What became of a trial, or how far it is. */
export function stateText({ status, outcome, progress, attempts }: TrialRecord): string {
  if (outcome?.status === "finished") return `loss ${outcome.validationLoss!.toFixed(4)}`;
  if (outcome !== null) return `${outcome.status}: ${outcome.message}`;
  const again = attempts > 1 ? `, attempt ${attempts}` : "";
  if (progress === null) return `${status}${again}`;
  const loss = progress.loss === null ? "" : `, loss ${progress.loss.toFixed(4)}`;
  return `${status}, step ${progress.step}/${progress.numSteps}${loss}${again}`;
}

/** The trial with the lowest loss, and its run; null if none has finished. */
function bestText(sweep: SweepRecord, trials: readonly TrialRecord[]): string | null {
  const finished = trials.filter(({ status }) => status === "finished");
  if (finished.length === 0) return null;
  const best = finished.reduce((a, b) => (b.outcome!.validationLoss! < a.outcome!.validationLoss! ? b : a));
  return `lowest loss: trial ${best.number}, ${trialText(sweep, best)}, run ${best.outcome!.runId}`;
}

/** All trials of a sweep, and which is best. */
export function trialTable(sweep: SweepRecord, trials: readonly TrialRecord[]): string {
  const paths = Object.keys(sweep.definition.parameters);
  const withSeed = sweep.definition.seeds.length > 1;
  const withRound = trials.some(({ round }) => round > 0);
  const best = bestText(sweep, trials);
  const rows = table([
    [
      "trial",
      ...(withRound ? ["round"] : []),
      ...shortPaths(paths),
      ...(withSeed ? ["seed"] : []),
      "time",
      "",
    ],
    ...trials.map((trial) => [
      trial.number,
      ...(withRound ? [trial.round + 1] : []),
      ...paths.map((path) => valueText(trial.values[path])),
      ...(withSeed ? [trial.config.training.seed] : []),
      trial.outcome === null ? "" : duration(trial.outcome.seconds),
      stateText(trial),
    ]),
  ]);
  return best === null ? rows : `${rows}\n\n${best}`;
}
