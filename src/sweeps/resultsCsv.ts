import Papa from "papaparse";
import { stepSize } from "../config/index.ts";
import { learningRatePath } from "./sweepFile.ts";
import type { SweepRecord, TrialRecord } from "./trialStore.ts";

function valueAt(config: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | null | undefined)?.[key], config);
}

function cell(value: unknown): string | number {
  if (value === null || value === undefined) return "";
  return typeof value === "number" || typeof value === "string" ? value : JSON.stringify(value);
}

/** Options that fits ask for, whether the sweep varies them or not. */
const always = [
  learningRatePath,
  "training.batchSize",
  "optimizer.eps",
  "optimizer.weightDecay",
  "training.steps",
  "training.seed",
];

/**
 * The results of a sweep as CSV, one row per trial that has ended: its parameters by their paths, what a fit asks for, and the losses. A
 * trial that diverged has the loss `nan`, one that failed has none. `rotor fit` reads it as it is.
 */
export function resultsCsv(sweep: SweepRecord, trials: readonly TrialRecord[]): string {
  const { parameters, derived } = sweep.definition;
  const ended = trials.filter(({ outcome }) => outcome !== null);
  const varied = [...new Set([...Object.keys(parameters), ...Object.keys(derived)])];
  const paths = [...varied, ...always.filter((path) => !varied.includes(path))].filter(
    (path) => varied.includes(path) || ended.some(({ config }) => valueAt(config, path) !== undefined),
  );
  const accumulates = ended.some(({ config }) => stepSize(config).batches > 1);
  const items = [...new Set(ended.map(({ config }) => stepSize(config).item))];
  const fields = [
    "trial",
    "status",
    ...paths,
    ...(accumulates ? ["global_batch_size"] : []),
    ...items,
    "validation_loss",
    "train_loss",
    "steps_done",
    "seconds",
    "run",
  ];
  const data = ended.map(({ number, config, outcome }) => {
    const { status, validationLoss, trainLoss, steps, seconds, runId } = outcome!;
    const size = stepSize(config);
    return [
      number,
      status,
      ...paths.map((path) => cell(valueAt(config, path))),
      ...(accumulates ? [size.samples] : []),
      ...items.map((item) => (item === size.item ? config.training.steps * size.items : "")),
      status === "diverged" ? "nan" : cell(validationLoss),
      cell(trainLoss),
      steps,
      seconds.toFixed(3),
      runId ?? "",
    ];
  });
  return `${Papa.unparse({ fields, data }, { newline: "\n" })}\n`;
}
