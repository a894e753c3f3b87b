import { type SweepOptimum, sgdOptimum, signOptimum } from "../../scaling/index.ts";
import type { Paragraph, Section, Table } from "../experiment.ts";
import { closedSgd, closedSign, simpleScale } from "../laws/closedForms.ts";
import { type LawPlan, largeEpsilon } from "../laws/lawSettings.ts";
import { stepsOf } from "../laws/measureSteps.ts";
import { optimizerName } from "../laws/optimizers.ts";
import { anchored, type Comparison, factorBetween, showFactor, typicalFactor } from "../laws/predictions.ts";
import { atBatch, predictHeldOut, type RunOptima, usable } from "../laws/runOptima.ts";
import { formatEstimate, formatMean, formatRate } from "../laws/showNumbers.ts";
import type { Plot } from "../plot.ts";
import { anchorOf, ruleComparisons, runComparisons, splitsOf } from "./comparisons.ts";
import { stepOptimizers, type TaskResult } from "./trials.ts";

function stepTable({ task, unit, steps, laws }: TaskResult): Table {
  const shown = stepOptimizers;
  return {
    kind: "table",
    title: `One step from the checkpoint: ${task} (B in ${unit}). The law's η*, that of \`measureCheckpoint\` → the one that lowers the loss most (interval), ratio of the first to it`,
    columns: ["B", ...shown.map(optimizerName)],
    rows: steps.results.map(({ batchSize }) => [
      String(batchSize),
      ...shown.map((optimizer) => {
        const { law, trial, interior } = stepsOf(steps, optimizer).find(
          (row) => row.batchSize === batchSize,
        )!.optimum;
        const predicted = law === null ? "none" : formatRate(law.value);
        const found = interior ? formatEstimate(trial) : "outside of those tried";
        const ratio = law === null || !interior ? "" : `: ${(law.value / trial.value).toFixed(2)}`;
        const other = laws.get(optimizer)!.optima.find((row) => row.batchSize === batchSize)?.learningRate;
        return `${predicted}, ${other == null ? "none" : formatRate(other.value)} → ${found}${ratio}`;
      }),
    ]),
  };
}

function statisticsTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "At the checkpoint (± standard error); noise is that of one sample",
    columns: [
      "task",
      "parameters",
      "loss",
      "gᵀg",
      "tr Σ",
      "gᵀHg",
      "tr ΣH",
      "tr H",
      "sᵀg",
      "sᵀHs",
      "B_simple",
      "B_noise of SGD",
      "β_noise",
      "peak of sign updates",
    ],
    rows: results.map(({ task, steps: { statistics } }) => {
      const [forSgd, forSign] = [closedSgd(statistics), closedSign(statistics)];
      const { alignment, curvature } = statistics.soft.find(({ epsilon }) => epsilon === 0)!;
      const simple = simpleScale(statistics);
      return [
        task,
        String(statistics.numParameters),
        statistics.loss.toFixed(3),
        formatMean(statistics.squaredGradient),
        formatMean(statistics.noise),
        formatMean(statistics.gradientCurvature),
        formatMean(statistics.noiseCurvature),
        formatMean(statistics.trace),
        formatMean(alignment),
        formatMean(curvature),
        simple === null ? "none" : simple.toFixed(0),
        forSgd === null ? "none" : forSgd.noiseScale.toFixed(0),
        forSign === null ? "none" : Number.isFinite(forSign.betaNoise) ? forSign.betaNoise.toFixed(3) : "∞",
        forSign === null ? "none" : forSign.surge ? `B = ${forSign.peakBatchSize.toFixed(1)}` : "no surge",
      ];
    }),
  };
}

function horizonTable(results: readonly TaskResult[], plan: LawPlan): Table {
  return {
    kind: "table",
    title:
      "How far one step reaches: best constant learning rates of the next steps from the checkpoint (interval)",
    columns: [
      "task, optimizer",
      "B",
      "law, 1 step",
      "1 step",
      ...plan.horizons.steps.map((n) => `${n} steps`),
    ],
    rows: results.flatMap(({ task, steps, horizons }) =>
      horizons.map(({ optimizer, batchSize, optima }) => {
        const { law, trial } = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum;
        return [
          `${task}, ${optimizerName(optimizer)}`,
          String(batchSize),
          law === null ? "none" : formatRate(law.value),
          formatEstimate(trial),
          ...optima.map(({ optimum, interior }) =>
            interior ? formatEstimate(optimum) : `${formatRate(optimum.value)}, at the edge`,
          ),
        ];
      }),
    ),
  };
}

/** `0.012 (0.010 – 0.015)`, or the bound that an optimum at the edge is. */
function describeOptimum({ kind, value, low, high, tried }: SweepOptimum): string {
  if (kind === "above") return `above ${formatRate(tried[1])}?`;
  if (kind === "below") return `below ${formatRate(tried[0])}?`;
  return kind === "unresolved" ? "unresolved" : formatEstimate({ value, low, high });
}

function runTable(result: TaskResult, plan: LawPlan): Table {
  return {
    kind: "table",
    title: `Runs of ${plan.steps} steps: ${result.task} (B in ${result.unit}). The best learning rate (interval), the loss there, and the checkpoint's law over it`,
    columns: ["B", ...result.runs.map(({ optimizer }) => optimizerName(optimizer))],
    rows: plan.batchSizes.map((batchSize) => [
      String(batchSize),
      ...result.runs.map(({ optimizer, fit }) => {
        const optimum = fit.optima.find((row) => row.batchSize === batchSize);
        if (optimum === undefined) return "diverged";
        const law = stepsOf(result.steps, optimizer).find((row) => row.batchSize === batchSize)?.optimum.law;
        const ratio = law == null ? "" : `; ${(law.value / optimum.value).toFixed(2)}`;
        return `${describeOptimum(optimum)}, ${Math.exp(optimum.loss).toFixed(3)}${ratio}`;
      }),
    ]),
  };
}

function heldOutTable(results: readonly TaskResult[], plan: LawPlan): Table {
  const splits = splitsOf(plan);
  const anchor = atBatch(anchorOf(plan));
  const shown = (comparisons: readonly Comparison[]) =>
    comparisons.length === 0
      ? "none"
      : `${showFactor(typicalFactor(comparisons))}, ${showFactor(Math.max(...comparisons.map(({ predicted, measured }) => factorBetween(predicted, measured.value))))}`;
  return {
    kind: "table",
    title: `Errors of predictions of the best learning rate of runs: typical factor, worst factor. Fits: batch sizes that no law has seen; the others know the optimum at ${anchor}`,
    columns: [
      "task, optimizer",
      ...splits.map(({ name }) => `fit, ${name} (law)`),
      "checkpoint's law",
      "constant",
      "√B",
      "B",
    ],
    rows: results.flatMap((result) =>
      result.runs.map((run) => {
        const rules = ruleComparisons(run.fit.optima, plan);
        return [
          `${result.task}, ${optimizerName(run.optimizer)}`,
          ...splits.map(({ fitted, heldOut }) => {
            const { comparisons, law } = predictHeldOut(run.rows, fitted, heldOut);
            return `${shown(comparisons)} (${law})`;
          }),
          shown(anchored(runComparisons(result, run), anchor)),
          ...["constant", "√B", "B"].map((name) => shown(rules[name] ?? [])),
        ];
      }),
    ),
  };
}

function plotOf(result: TaskResult, { optimizer, fit }: RunOptima, plan: LawPlan): Plot {
  const steps = stepsOf(result.steps, optimizer);
  const { statistics } = result.steps;
  const [forSgd, forSign] = [closedSgd(statistics), closedSign(statistics)];
  const form =
    optimizer.kind === "sgd"
      ? forSgd && ((batchSize: number) => sgdOptimum(forSgd, batchSize).learningRate)
      : optimizer.kind === "adam"
        ? forSign && ((batchSize: number) => signOptimum(forSign, batchSize).learningRate)
        : null;
  const points = (
    rows: readonly { batchSize: number; estimate: { value: number; low: number; high: number } }[],
  ) => rows.map(({ batchSize, estimate: { value, low, high } }) => ({ x: batchSize, y: value, low, high }));
  return {
    kind: "plot",
    file: `${result.task}-${optimizer.kind}`,
    title: `Best learning rate of ${optimizerName(optimizer)}: ${result.task}`,
    x: { label: `batch size, ${result.unit}`, scale: "log" },
    y: { label: "learning rate", scale: "log" },
    series: [
      {
        name: "one step, tried",
        kind: "points",
        points: points(
          steps
            .filter(({ optimum }) => optimum.interior)
            .map(({ batchSize, optimum }) => ({ batchSize, estimate: optimum.trial })),
        ),
      },
      {
        name: "one step, general law",
        points: steps.flatMap(({ batchSize, optimum: { law } }) =>
          law === null ? [] : [{ x: batchSize, y: law.value }],
        ),
      },
      {
        name: `runs of ${plan.steps} steps`,
        kind: "points",
        points: points(
          usable(fit.optima).map((optimum) => ({ batchSize: optimum.batchSize, estimate: optimum })),
        ),
      },
      {
        name: "fit to the runs",
        points: fit.predictions
          .filter(({ extrapolation }) => extrapolation === 1)
          .map(({ batchSize, value }) => ({ x: batchSize, y: value })),
      },
      ...(form === null
        ? []
        : [
            {
              name: optimizer.kind === "sgd" ? "one step, SGD's law" : "one step, mean field of sign",
              dashed: true,
              points: plan.stepBatchSizes.map((x) => ({ x, y: form(x) })),
            },
          ]),
    ],
  };
}

function method(plan: LawPlan, results: readonly TaskResult[]): Paragraph {
  const [first] = plan.settings;
  const { checkpoint } = first!;
  return {
    kind: "text",
    text: [
      `**How.** Tasks: ${plan.settings.map(({ task, size }) => (task === "books" ? `next bytes of the shipped books by a transformer of one block, width ${size.modelDim} (B counts sequences of ${size.length ?? 16} bytes)` : `digits of MNIST by a perceptron with two hidden layers of ${size.modelDim} (B counts images, drawn with replacement; the loss is that of the training set, which is the expected loss there)`)).join("; ")}. ${results.map(({ task, steps }) => `${task}: ${steps.statistics.numParameters} parameters`).join(", ")}.`,
      `The law speaks of **one step from a given state**. State: after ${checkpoint.steps} steps of Adam with batches of ${checkpoint.batchSize}. Predicted: both expectations from batches of size B and independent batches for gradient and Hessian. Tried: other batches of size B, a step of each learning rate on a grid of factors of √2, the mean loss of independent batches after it, the least value of the parabola near its minimum. Intervals: 90 %, from resampling the batches; the law has one of similar width.`,
      `Directions of one step: the batch's gradient (SGD); its sign; softsign with ε ${largeEpsilon}; Adam without momentum whose second moment is that of batches of this size at this place; Muon without momentum, \`msign\` of hidden matrices and the sign of the others, with the scale match-adamw-rms.`,
      `**The next steps**: ${plan.horizons.steps.join(", ")} steps from the same state at a constant learning rate, ${plan.horizons.repetitions} repetitions with other batches, the expected loss after them; learning rates by factors of 2.`,
      `**Whole runs** are another question, which the law doesn't speak of: ${plan.steps} steps from the initial parameters at a constant learning rate, the same number for every B; the loss at the end. Adam has b1 0.9, b2 0.999; Muon momentum 0.95 for hidden matrices, the others Adam (0.9, 0.95), one learning rate for both; SGD and softsign have no momentum. Learning rates are powers of 2 until two worse ones were seen on both sides, with 2 to 8 seeds, whose common differences are taken out; optimum and 90 % interval by the curve fit of \`rotor fit\` to the logarithms of the losses, whose noise is about the same share of them everywhere. Held-out optima come from runs of the held-out batch sizes alone.`,
      "A factor is max(predicted/measured, measured/predicted); the typical one is the root mean square of its logarithm. A claim fails if a prediction is off by more than the aim from the whole interval of what was measured.",
    ].join(" "),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: readonly TaskResult[], plan: LawPlan): readonly Section[] {
  return [
    method(plan, results),
    statisticsTable(results),
    ...results.map(stepTable),
    horizonTable(results, plan),
    ...results.map((result) => runTable(result, plan)),
    heldOutTable(results, plan),
    ...results.flatMap((result) => result.runs.map((run) => plotOf(result, run, plan))),
  ];
}
