import { stepsAndSamples } from "../../scaling/index.ts";
import type { Paragraph, Section, Table } from "../experiment.ts";
import { simpleScale } from "../laws/closedForms.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import type { LawStatistics } from "../laws/lawStatistics.ts";
import { optimizerName } from "../laws/optimizers.ts";
import { formatEstimate, formatRate } from "../laws/showNumbers.ts";
import { patience } from "../laws/tradeOff.ts";
import type { Plot } from "../plot.ts";
import { closedScale, generalScale, onTheWay, typicalScale } from "./results.ts";
import { sgd, sign, type TaskResult } from "./trials.ts";

function stepsTable({ task, unit, target, batchSizes, optimizers: rows }: TaskResult): Table {
  return {
    kind: "table",
    title: `Fewest steps to a loss of ${target}: ${task} (B in ${unit}). S (interval), the hyperbola's, (S/S_min − 1)(E/E_min − 1), the learning rate`,
    columns: ["B", ...rows.map(({ optimizer }) => optimizerName(optimizer))],
    rows: batchSizes.map((batchSize) => [
      String(batchSize),
      ...rows.map(({ measured, fit }) => {
        const found = measured.find((row) => row.batchSize === batchSize);
        if (found === undefined) return "not reached";
        const { steps, learningRate, interior } = found;
        const rate = `${formatRate(learningRate)}${interior ? "" : " (at the edge)"}`;
        if (fit === null) return `${formatEstimate(steps)}; ${rate}`;
        const product = (steps.value / fit.minSteps - 1) * ((steps.value * batchSize) / fit.minSamples - 1);
        return `${formatEstimate(steps)}; ${formatRate(stepsAndSamples(fit, batchSize).steps)}; ${product.toFixed(2)}; ${rate}`;
      }),
    ]),
  };
}

function fitTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "The hyperbola, and noise scales on the way (geometric means) and at the checkpoint",
    columns: [
      "task, optimizer",
      "S_min",
      "E_min",
      "E_min/S_min (interval)",
      "B_simple on the way",
      "B_noise or B_noise2 on the way",
      "general law's ΔL* at the checkpoint",
    ],
    rows: results.flatMap((result) =>
      result.optimizers.map(({ optimizer, fit }) => {
        const way = onTheWay(result).map(({ statistics }) => statistics);
        const show = (value: number | null) => (value === null ? "none" : formatRate(value));
        const general = generalScale(result, optimizer);
        return [
          `${result.task}, ${optimizerName(optimizer)}`,
          show(fit?.minSteps ?? null),
          show(fit?.minSamples ?? null),
          fit === null ? "none" : formatEstimate(fit.critical),
          show(typicalScale(way.map(simpleScale))),
          show(typicalScale(way.map((statistics) => closedScale(statistics, optimizer)))),
          general === null ? "none" : formatEstimate(general.critical),
        ];
      }),
    ),
  };
}

function pathTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "Noise scales on the way of the checkpoint's run (Adam)",
    columns: ["task", "steps", "loss", "B_simple", "B_noise of SGD", "B_noise2 of the mean field"],
    rows: results.flatMap(({ task, path, target }) =>
      path.map(({ steps, statistics }) => {
        const show = (value: number | null) => (value === null ? "none" : formatRate(value));
        return [
          task,
          String(steps),
          `${statistics.loss.toFixed(3)}${statistics.loss > target ? "" : " (below the target)"}`,
          show(simpleScale(statistics)),
          show(closedScale(statistics, sgd)),
          show(closedScale(statistics, sign)),
        ];
      }),
    ),
  };
}

function plotOf({ task, unit, target, optimizers: rows }: TaskResult): Plot {
  return {
    kind: "plot",
    file: `${task}-trade-off`,
    title: `Steps and samples to a loss of ${target}: ${task}`,
    x: { label: `samples, ${unit}`, scale: "log" },
    y: { label: "steps", scale: "log" },
    series: rows.flatMap(({ optimizer, measured, fit }) => [
      {
        name: optimizerName(optimizer),
        kind: "points" as const,
        points: measured.map(({ batchSize, steps: { value, low, high } }) => ({
          x: value * batchSize,
          y: value,
          low,
          high,
        })),
      },
      ...(fit === null
        ? []
        : [
            {
              name: `${optimizerName(optimizer)}, hyperbola`,
              dashed: true,
              points: Array.from({ length: 41 }, (_, i) => {
                const { steps, samples } = stepsAndSamples(fit, 2 * 2 ** (i / 4));
                return { x: samples, y: steps };
              }),
            },
          ]),
    ]),
  };
}

function scalePlot({ task, unit, path }: TaskResult): Plot {
  const series = (name: string, scaleOf: (statistics: LawStatistics) => number | null) => ({
    name,
    points: path.flatMap(({ steps, statistics }) => {
      const y = scaleOf(statistics);
      return y === null ? [] : [{ x: steps, y }];
    }),
  });
  return {
    kind: "plot",
    file: `${task}-noise-scale`,
    title: `Noise scales on the way: ${task}`,
    x: { label: "steps of the checkpoint's run", scale: "log" },
    y: { label: unit, scale: "log" },
    series: [
      series("B_simple", simpleScale),
      series("B_noise of SGD", (statistics) => closedScale(statistics, sgd)),
      series("B_noise2 of the mean field", (statistics) => closedScale(statistics, sign)),
    ],
  };
}

function method(plan: LawPlan): Paragraph {
  const { seeds } = plan.targets;
  return {
    kind: "text",
    text: [
      "**How.** Tasks and checkpoints are those of [batch-size](../batch-size/README.md). A run has a constant learning rate and ends where the expected loss, evaluated every 12th of the steps done, is at most the target; S is on the line between the last two evaluations.",
      `The learning rate is swept by factors of 2 for ${seeds.length} seeds until it is worse on both sides; each seed's fewest steps are the least value of the parabola through the logarithms, S their geometric mean with Student's 90 % interval. A run that takes ${patience} times as long as the best one so far is stopped. SGD and sign updates have no momentum, Adam has b1 0.9, b2 0.999.`,
      "S_min and E_min come from a least-squares fit of S = S_min + E_min/B in relative errors; the interval of their ratio from drawing each S from its interval. Noise scales are measured on the way of a run of Adam, at places where the loss is above the target, and the mean of their logarithms is taken: the hyperbola assumes one noise scale all the way.",
      `The sums behind a noise scale: three independent batches, ${plan.targets.repetitions} times.`,
    ].join(" "),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: readonly TaskResult[], plan: LawPlan): readonly Section[] {
  return [
    method(plan),
    fitTable(results),
    pathTable(results),
    ...results.map(stepsTable),
    ...results.flatMap((result) => [plotOf(result), scalePlot(result)]),
  ];
}
