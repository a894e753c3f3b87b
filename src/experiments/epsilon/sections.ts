import { softsignOptimum } from "../../scaling/index.ts";
import type { Paragraph, Section, Table } from "../experiment.ts";
import { closedSoftsign } from "../laws/closedForms.ts";
import { type BatchOptimum, growthExponent } from "../laws/growth.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import { stepsOf } from "../laws/measureSteps.ts";
import { atBatch } from "../laws/runOptima.ts";
import { formatEstimate, formatRate } from "../laws/showNumbers.ts";
import type { Plot } from "../plot.ts";
import {
  exponentText,
  largeBatch,
  largeOnes,
  measuredCurvature,
  runOptimaOf,
  smallBatch,
  smallOnes,
  triedOptima,
} from "./results.ts";
import { sgd, softsignOf, type TaskResult } from "./trials.ts";

function stepTable({ task, unit, steps }: TaskResult, plan: LawPlan): Table {
  const shown = [...plan.epsilons.map(softsignOf), sgd];
  return {
    kind: "table",
    title: `One step with softsign: ${task} (B in ${unit}). Tried η* (interval), the law's over it; last column SGD`,
    columns: ["B", ...plan.epsilons.map((epsilon) => `ε ${epsilon}`), "SGD"],
    rows: steps.results.map(({ batchSize }) => [
      String(batchSize),
      ...shown.map((optimizer) => {
        const found = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum;
        if (!found.interior) return "outside of those tried";
        const ratio = found.law === null ? "" : `; ${(found.law.value / found.trial.value).toFixed(2)}`;
        return `${formatEstimate(found.trial)}${ratio}`;
      }),
    ]),
  };
}

function curvatureTable(results: readonly TaskResult[], plan: LawPlan): Table {
  const [first, last] = [plan.stepBatchSizes[0]!, plan.stepBatchSizes.at(-1)!];
  return {
    kind: "table",
    title: `Why there is a surge or not: the mean field says that E[φ̃ᵀHφ̃] goes from about D·E[φ̃²] at small B to Q at large B`,
    columns: [
      "task",
      "ε",
      "Q = νᵀHν",
      "Q/D",
      `E[φ̃ᵀHφ̃] at B = ${first}`,
      "the mean field's",
      `E[φ̃ᵀHφ̃] at B = ${last}`,
      "the mean field's",
      `exponent of η* for B ≤ ${smallBatch}`,
      `for B ≥ ${largeBatch}`,
      "of runs of Adam, all B",
    ],
    rows: results.flatMap(({ task, steps, runs }) =>
      plan.epsilons.map((epsilon) => {
        const law = closedSoftsign(steps.statistics, epsilon);
        const run = runs.find((row) => row.epsilon === epsilon);
        const curvature = (batchSize: number) => {
          const measured = measuredCurvature(steps, softsignOf(epsilon), batchSize);
          return measured === null ? "none" : formatRate(measured);
        };
        const field = (batchSize: number) => {
          if (law === null) return "none";
          const { learningRate, lossDecrease } = softsignOptimum(law, batchSize);
          return formatRate((2 * lossDecrease) / learningRate ** 2);
        };
        return [
          task,
          String(epsilon),
          law === null ? "none" : formatRate(law.signalCurvature),
          law === null ? "none" : formatRate(law.signalCurvature / law.diagonalCurvature),
          curvature(first),
          field(first),
          curvature(last),
          field(last),
          exponentText(smallOnes(triedOptima(steps, softsignOf(epsilon)))),
          exponentText(largeOnes(triedOptima(steps, softsignOf(epsilon)))),
          run === undefined ? "not run" : exponentText(growthExponent(runOptimaOf(run.sweep))),
        ];
      }),
    ),
  };
}

function runTable({ task, unit, runs }: TaskResult, plan: LawPlan): Table {
  return {
    kind: "table",
    title: `Runs of Adam of ${plan.steps} steps: ${task} (B in ${unit}). The best learning rate (interval), the loss there`,
    columns: ["B", ...runs.map(({ epsilon }) => `ε ${epsilon}`)],
    rows: plan.epsilonRuns.batchSizes.map((batchSize) => [
      String(batchSize),
      ...runs.map(({ sweep }) => {
        const optimum = sweep.fit.optima.find((row) => row.batchSize === batchSize);
        if (optimum === undefined) return "diverged";
        const { kind, loss, tried } = optimum;
        if (kind === "above" || kind === "below")
          return `${kind} ${formatRate(tried[kind === "above" ? 1 : 0])}?`;
        return kind === "unresolved"
          ? "unresolved"
          : `${formatEstimate(optimum)}, ${Math.exp(loss).toFixed(3)}`;
      }),
    ]),
  };
}

function plotsOf(result: TaskResult, plan: LawPlan): Plot[] {
  const { task, unit, steps, runs } = result;
  const points = (optima: readonly BatchOptimum[]) =>
    optima.map(({ batchSize, optimum: { value, low, high } }) => ({ x: batchSize, y: value, low, high }));
  const x = { label: `batch size, ${unit}`, scale: "log" as const };
  const y = { label: "learning rate", scale: "log" as const };
  const shownBatches = plan.stepBatchSizes.filter((_, i) => i % 2 === 0);
  return [
    {
      kind: "plot",
      file: `${task}-step`,
      title: `One step with softsign, the best learning rate: ${task}`,
      x,
      y,
      series: plan.epsilons.map((epsilon) => ({
        name: `ε ${epsilon}`,
        points: points(triedOptima(steps, softsignOf(epsilon))),
      })),
    },
    {
      kind: "plot",
      file: `${task}-epsilon`,
      title: `The same by ε: ${task}`,
      x: { label: "ε", scale: "log" },
      y,
      series: shownBatches.map((batchSize) => ({
        name: atBatch(batchSize),
        points: plan.epsilons.flatMap((epsilon) =>
          triedOptima(steps, softsignOf(epsilon))
            .filter((row) => row.batchSize === batchSize)
            .map(({ optimum: { value, low, high } }) => ({ x: epsilon, y: value, low, high })),
        ),
      })),
    },
    {
      kind: "plot",
      file: `${task}-runs`,
      title: `Runs of Adam of ${plan.steps} steps, the best learning rate: ${task}`,
      x,
      y,
      series: runs.map(({ epsilon, sweep }) => ({
        name: `ε ${epsilon}`,
        points: points(runOptimaOf(sweep)),
      })),
    },
  ];
}

function method(plan: LawPlan): Paragraph {
  const { checkpoint } = plan.settings[0]!;
  return {
    kind: "text",
    text: [
      "**How.** Tasks, checkpoint, trials and intervals are those of [batch-size](../batch-size/README.md), and trials that both need are the same.",
      `One step: softsign(g̃_B, ε) from the checkpoint (${checkpoint.steps} steps of Adam), what Su-10563 puts in place of Adam; ε is in units of the gradient's elements.`,
      `Whole runs: Adam itself (b1 0.9, b2 0.999) with this ε, ${plan.steps} steps at a constant learning rate from the initial parameters; the law doesn't speak of them.`,
      "A surge is a fall of η* beyond a peak with intervals that lie apart. Exponents are slopes of log η* over log B, weighted by the intervals' widths.",
    ].join(" "),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: readonly TaskResult[], plan: LawPlan): readonly Section[] {
  return [
    method(plan),
    ...results.map((result) => stepTable(result, plan)),
    curvatureTable(results, plan),
    ...results.map((result) => runTable(result, plan)),
    ...results.flatMap((result) => plotsOf(result, plan)),
  ];
}
