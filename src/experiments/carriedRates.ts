import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseLanguageConfig } from "../config/index.ts";
import { measureRun } from "../measure/index.ts";
import { fitSweep, linearRule, type SweepOptimum, squareRootRule } from "../scaling/index.ts";
import { trainRun } from "../train/index.ts";
import type { Experiment, ExperimentContext, ExperimentSize, Table, Verdict } from "./experiment.ts";
import {
  type Comparison,
  describeComparisons,
  factorBetween,
  judge,
  showFactor,
  typicalFactor,
} from "./laws/predictions.ts";
import { atBatch, confidence, usable } from "./laws/runOptima.ts";
import { rowsForFit, sweepRuns } from "./laws/runSweep.ts";
import { formatEstimate, formatRate } from "./laws/showNumbers.ts";
import type { Plot } from "./plot.ts";
import { settleComparisons } from "./toSettle.ts";
import { type TrialConfig, trainTrial } from "./trainTrial.ts";

/** The aim: carried learning rates within this factor. */
const aim = 1.5;

interface Task {
  readonly name: string;
  readonly about: string;
  readonly config: Pick<TrialConfig, "model" | "data"> & { readonly length: number };
}

interface Plan {
  readonly tasks: readonly Task[];
  readonly optimizers: readonly OptimizerChoice[];
  readonly steps: number;
  /** Ascending; the learning rate is tuned at `anchor`. */
  readonly batchSizes: readonly number[];
  readonly anchor: number;
  /** More where noise is larger. */
  seeds(batchSize: number): readonly number[];
  /** Samples and products with Hessians that a checkpoint is measured by. */
  readonly measurement: { readonly samples: number; readonly probes: number };
  /** Sequences that runs are judged by. */
  readonly evaluated: number;
  readonly maxRates: number;
}

type OptimizerChoice = "adamw" | "muon";

/** Exponents of 2 of the learning rate that is tried first. */
const starts: Record<OptimizerChoice, number> = { adamw: -7, muon: -7 };

const optimizerConfig = (kind: OptimizerChoice, learningRate: number): TrialConfig["optimizer"] =>
  kind === "muon"
    ? // With this scale one learning rate serves the matrices and the other parameters.
      { kind, learningRate, scale: "match-adamw-rms", adamw: { learningRate } }
    : { kind, learningRate };

const plans: Readonly<Record<ExperimentSize, Plan>> = {
  full: {
    tasks: [
      {
        name: "novel",
        about: "Moby-Dick in 512 tokens of BPE, two blocks of width 32, sequences of 32",
        config: {
          model: { numLayers: 2, modelDim: 32, numHeads: 2, maxLength: 32 },
          data: { source: "moby-dick", tokenizer: { bpe: 512 } },
          length: 32,
        },
      },
      {
        name: "speeches",
        about: "addresses to Congress in bytes, one block of width 48, sequences of 48",
        config: {
          model: { numLayers: 1, modelDim: 48, numHeads: 3, maxLength: 48 },
          data: { source: "sotu", tokenizer: "bytes" },
          length: 48,
        },
      },
    ],
    optimizers: ["adamw", "muon"],
    steps: 100,
    batchSizes: [4, 16, 64],
    anchor: 16,
    seeds: (batchSize) => (batchSize <= 4 ? [1, 2, 3, 4] : [1, 2]),
    measurement: { samples: 1024, probes: 16 },
    evaluated: 512,
    maxRates: 12,
  },
  quick: {
    tasks: [
      {
        name: "novel",
        about: "Moby-Dick in bytes, one block of width 8, sequences of 8",
        config: {
          model: { numLayers: 1, modelDim: 8, numHeads: 1, maxLength: 8 },
          data: { source: "moby-dick", tokenizer: "bytes" },
          length: 8,
        },
      },
    ],
    optimizers: ["adamw"],
    steps: 12,
    batchSizes: [4, 8],
    anchor: 4,
    seeds: () => [1],
    measurement: { samples: 64, probes: 4 },
    evaluated: 16,
    maxRates: 9,
  },
};

/** What was measured on one task with one optimizer. */
interface Result {
  readonly task: Task;
  readonly optimizer: OptimizerChoice;
  readonly optima: readonly SweepOptimum[];
  /** η* of the checkpoint by batch size; null where it has none. */
  readonly law: ReadonlyMap<number, number | null>;
}

function configOf(
  plan: Plan,
  { config: { model, data, length } }: Task,
  optimizer: OptimizerChoice,
  run: { readonly batchSize: number; readonly learningRate: number; readonly seed: number },
): TrialConfig {
  return {
    model,
    data,
    optimizer: optimizerConfig(optimizer, run.learningRate),
    schedule: { kind: "warmup-cosine", warmupSteps: Math.round(plan.steps / 10) },
    training: {
      steps: plan.steps,
      batchSize: run.batchSize,
      length,
      seed: run.seed,
      evalBatches: Math.max(1, Math.round(plan.evaluated / run.batchSize)),
      sampleTokens: 0,
      threads: 1,
    },
  };
}

async function measureResult(
  plan: Plan,
  task: Task,
  optimizer: OptimizerChoice,
  home: string,
  context: ExperimentContext,
): Promise<Result> {
  const { steps, batchSizes, anchor, evaluated, measurement } = plan;
  context.note(`${task.name}, ${optimizer}: runs of ${steps} steps`);
  const settings = { task: task.config, optimizer, steps, evaluated };
  const rows = await sweepRuns({
    batchSizes,
    start: starts[optimizer],
    margin: 2,
    maxRates: plan.maxRates,
    seeds: plan.seeds,
    run: (batchSize, learningRate, seed) =>
      context.trials.run({ kind: "run", ...settings, batchSize, learningRate, seed }, async () => {
        const config = configOf(plan, task, optimizer, { batchSize, learningRate, seed });
        const { diverged, validationLoss } = await trainTrial({ config }, home, 1);
        return diverged ? null : validationLoss;
      }),
  });
  const { optima } = fitSweep(rowsForFit(rows), { confidence, at: [] });
  // As `rotor tune --measure` does it: the run of the best learning rate that was tried, at its middle.
  const best = rows
    .filter(({ batchSize, loss }) => batchSize === anchor && Number.isFinite(loss))
    .reduce((a, b) => (b.loss < a.loss ? b : a));
  const { learningRate } = best;
  const seed = best.seed as number;
  context.note(`${task.name}, ${optimizer}: measuring a checkpoint`);
  const measured = await context.trials.run(
    { kind: "measure", ...settings, ...measurement, anchor, batchSizes, learningRate, seed },
    async () => {
      const config = parseLanguageConfig(
        configOf(plan, task, optimizer, { batchSize: anchor, learningRate, seed }),
      );
      const middle = Math.ceil(steps / 2);
      const { run } = await trainRun({
        config: { ...config, training: { ...config.training, checkpointEvery: middle } },
        home,
      });
      const { checkpoints } = await measureRun({
        run: run.id,
        home,
        checkpoints: [middle],
        at: batchSizes,
        ...measurement,
        threads: 1,
      });
      return batchSizes.map((batchSize) => {
        const { value } = checkpoints[0]!.predict(batchSize).learningRate;
        return value > 0 && Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
      });
    },
  );
  return {
    task,
    optimizer,
    optima,
    law: new Map(batchSizes.map((batchSize, i) => [batchSize, measured[i]!])),
  };
}

/** Learning rates carried from the anchor by a rule, beside those measured. */
function carried(
  { optima }: Result,
  plan: Plan,
  rule: (anchor: SweepOptimum, batchSize: number) => number | null,
): Comparison[] {
  const anchor = usable(optima).find(({ batchSize }) => batchSize === plan.anchor);
  if (anchor === undefined) return [];
  return usable(optima)
    .filter((optimum) => optimum !== anchor)
    .flatMap((measured) => {
      const predicted = rule(anchor, measured.batchSize);
      return predicted === null ? [] : [{ label: atBatch(measured.batchSize), predicted, measured }];
    });
}

const byLaw = (result: Result, plan: Plan) =>
  carried(result, plan, ({ value }, batchSize) => {
    const [own, there] = [result.law.get(plan.anchor) ?? null, result.law.get(batchSize) ?? null];
    return own === null || there === null ? null : (value * there) / own;
  });

const rules = {
  constant: ({ value }: SweepOptimum) => value,
  "√B": ({ value, batchSize }: SweepOptimum, at: number) =>
    squareRootRule({ learningRate: value, batchSize }, at),
  B: ({ value, batchSize }: SweepOptimum, at: number) => linearRule({ learningRate: value, batchSize }, at),
};

/** Comparisons of one optimizer over all tasks. */
const overTasks = (
  results: readonly Result[],
  optimizer: OptimizerChoice,
  compare: (result: Result) => readonly Comparison[],
): Comparison[] =>
  results
    .filter((result) => result.optimizer === optimizer)
    .flatMap((result) =>
      compare(result).map((one) => ({ ...one, label: `${result.task.name}, ${one.label}` })),
    );

function verdictsOf(results: readonly Result[], optimizer: OptimizerChoice, plan: Plan): Verdict[] {
  const law = overTasks(results, optimizer, (result) => byLaw(result, plan));
  const kept = overTasks(results, optimizer, (result) => carried(result, plan, rules.constant));
  const compared = law.length > 0 && kept.length === law.length;
  return [
    {
      claim: `${optimizer}: a learning rate tuned at ${atBatch(plan.anchor)}, carried by the law that a checkpoint in the middle of the best run gives, is the best at other batch sizes`,
      expected: `within ${aim}× at ${plan.batchSizes.filter((size) => size !== plan.anchor).join(", ")}`,
      found: describeComparisons(law),
      verdict: judge(law, aim),
      toSettle: settleComparisons(law, aim),
    },
    {
      claim: `${optimizer}: so carried it misses by less than when it's kept as it is`,
      expected: "a smaller typical factor",
      found: `carried ${describeComparisons(law)}; kept ${describeComparisons(kept)}`,
      verdict: !compared ? "open" : typicalFactor(law) < typicalFactor(kept) ? "holds" : "fails",
    },
  ];
}

function ratesTable(results: readonly Result[], plan: Plan): Table {
  return {
    kind: "table",
    title: "Best learning rate of whole runs (interval), and what was carried there (off by)",
    columns: ["task", "optimizer", ...plan.batchSizes.map(atBatch)],
    rows: results.map((result) => {
      const predictions = byLaw(result, plan);
      return [
        result.task.name,
        result.optimizer,
        ...plan.batchSizes.map((batchSize) => {
          const measured = usable(result.optima).find((optimum) => optimum.batchSize === batchSize);
          if (measured === undefined) return "not placed";
          const found = predictions.find(({ label }) => label === atBatch(batchSize));
          return found === undefined
            ? formatEstimate(measured)
            : `${formatEstimate(measured)}; ${formatRate(found.predicted)} (${showFactor(factorBetween(found.predicted, measured.value))})`;
        }),
      ];
    }),
  };
}

function rulesTable(results: readonly Result[], plan: Plan): Table {
  const shown = (comparisons: readonly Comparison[]) =>
    comparisons.length === 0 ? "–" : showFactor(typicalFactor(comparisons));
  return {
    kind: "table",
    title: "Typical factor by which other ways of carrying it miss",
    columns: ["task", "optimizer", "law of a checkpoint", ...Object.keys(rules)],
    rows: results.map((result) => [
      result.task.name,
      result.optimizer,
      shown(byLaw(result, plan)),
      ...Object.values(rules).map((rule) => shown(carried(result, plan, rule))),
    ]),
  };
}

function plotOf(result: Result, plan: Plan): Plot {
  const { task, optimizer } = result;
  return {
    kind: "plot",
    file: `${task.name}-${optimizer}`,
    title: `${task.name}, ${optimizer}`,
    x: { label: "batch size", scale: "log" },
    y: { label: "best learning rate", scale: "log" },
    series: [
      {
        name: "measured by runs",
        kind: "points",
        points: usable(result.optima).map(({ batchSize, value, low, high }) => ({
          x: batchSize,
          y: value,
          low,
          high,
        })),
      },
      {
        name: "carried by the law",
        points: byLaw(result, plan).map(({ label, predicted }) => ({
          x: Number(label.replace(/\D/g, "")),
          y: predicted,
        })),
      },
    ],
  };
}

async function measure(plan: Plan, context: ExperimentContext): Promise<readonly Result[]> {
  const home = mkdtempSync(path.join(tmpdir(), "rotor-carried-"));
  const results: Result[] = [];
  try {
    for (const optimizer of plan.optimizers)
      for (const task of plan.tasks) results.push(await measureResult(plan, task, optimizer, home, context));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  return results;
}

const experiment: Experiment<Plan, readonly Result[]> = {
  name: "carried-rates",
  title: "A tuned learning rate carried to other batch sizes by one checkpoint",
  sources: ["Su-10542"],
  plans,
  trials: measure,
  verdicts: (results, plan) => plan.optimizers.flatMap((optimizer) => verdictsOf(results, optimizer, plan)),
  summary(_, plan, verdicts) {
    const found = plan.optimizers.map((optimizer, i) => `${optimizer}: ${verdicts[2 * i + 1]!.found}`);
    return `A learning rate tuned at one batch size, carried to others by the law measured at one checkpoint, as \`rotor tune --measure\` does it, on tasks and sizes that the experiment batch-size didn't use. By what factor it misses there, beside the tuned learning rate kept as it is: ${found.join("; ")}.`;
  },
  sections: (results, plan) => [
    {
      kind: "text",
      text: `**How.** Tasks: ${plan.tasks.map(({ name, about }) => `${name} (${about})`).join("; ")}. Runs of ${plan.steps} steps at every batch size, a tenth of them warm-up, then a cosine to 0; learning rates are powers of 2 until two worse ones were seen on both sides, ${[...new Set(plan.batchSizes.map((size) => plan.seeds(size).length))].join(" or ")} seeds (more at small batch sizes), judged by ${plan.evaluated} sequences of validation; optimum and 90 % interval by the curve fit of \`rotor fit\` to the logarithms of the losses. Carried: η(B) = η·η*(B)/η*(${plan.anchor}), η the optimum at ${plan.anchor}, η* from \`rotor measure\` with ${plan.measurement.samples} samples and ${plan.measurement.probes} products per quantity at the middle of the best run there. A factor is max(carried/measured, measured/carried), the typical one the root mean square of its logarithm. A claim fails if a carried rate is off by more than the aim from the whole interval of what was measured.`,
    },
    ratesTable(results, plan),
    rulesTable(results, plan),
    ...results.filter((result) => usable(result.optima).length > 0).map((result) => plotOf(result, plan)),
  ],
};

export default experiment;
