import type { Section, Table } from "../experiment.ts";
import { optimizerName } from "../laws/optimizers.ts";
import { formatEstimate, formatRate } from "../laws/showNumbers.ts";
import type { Plot } from "../plot.ts";
import type { Plan } from "./plan.ts";
import { type EdgeSeries, edgeRate, geometric, lastGreedy, nameOf, type RateRuns } from "./results.ts";

/** η·λ_max over the edge at one of the measured steps, by seeds. */
const shares = ({ edge }: EdgeSeries, { learningRate, runs }: RateRuns, at: number) =>
  runs.map((points) => (learningRate * points[at]!.sharpness.value) / edge);

function sharesTable(series: readonly EdgeSeries[], { measurement, steps }: Plan): Table {
  return {
    kind: "table",
    title: `η·λ_max over the edge along runs of ${steps} steps (1: at the edge; mean of the logarithms over seeds)`,
    columns: [
      "task, optimizer, B",
      "η over the best",
      "η",
      ...measurement.measureAt.map((step) => `after ${step}`),
      "loss",
      "diverged",
    ],
    rows: series.flatMap((one) =>
      one.rates.map((rate) => [
        nameOf(one),
        formatRate(rate.multiple),
        formatRate(rate.learningRate),
        ...measurement.measureAt.map((_, at) => {
          const found = shares(one, rate, at);
          return found.length === 0 || found.some((share) => !(share > 0))
            ? "none"
            : formatRate(geometric(found).value);
        }),
        rate.runs.length === 0
          ? "none"
          : (rate.runs.reduce((sum, points) => sum + points.at(-1)!.loss, 0) / rate.runs.length).toFixed(3),
        `${rate.diverged} of ${rate.diverged + rate.runs.length}`,
      ]),
    ),
  };
}

function predictionTable(series: readonly EdgeSeries[]): Table {
  const show = (estimate: ReturnType<typeof edgeRate>) =>
    estimate === null ? "none" : formatEstimate(estimate);
  const at = (one: EdgeSeries, multiple: number) => {
    const rate = one.rates.find((own) => own.multiple === multiple);
    return rate === undefined || rate.runs.length === 0 ? null : rate;
  };
  return {
    kind: "table",
    title:
      "Learning rates: the best of whole runs (interval), and what was measured for it (intervals over seeds)",
    columns: [
      "task, optimizer, B",
      "best of whole runs",
      "one step, checkpoint",
      "edge, checkpoint",
      "one step, end of the best runs",
      "edge, end of the best runs",
      "edge, end of the smallest rate's",
    ],
    rows: series.map((one) => {
      const [best, smallest] = [at(one, 1), one.rates[0]!.runs.length === 0 ? null : one.rates[0]!];
      return [
        nameOf(one),
        formatEstimate(one.best),
        one.greedy === null ? "none" : formatEstimate(one.greedy),
        one.atCheckpoint > 0 ? formatRate(one.edge / one.atCheckpoint) : "none",
        show(best && lastGreedy(best)),
        show(best && edgeRate(one, best)),
        show(smallest && edgeRate(one, smallest)),
      ];
    }),
  };
}

function plotOf(series: readonly EdgeSeries[]): Plot {
  const { optimizer } = series[0]!;
  return {
    kind: "plot",
    file: optimizer.kind,
    title: `${optimizerName(optimizer)}: η·λ_max over the edge at the end of runs`,
    x: { label: "learning rate over the best of whole runs", scale: "log" },
    y: { label: "η·λ_max / edge", scale: "log" },
    series: series.map((one) => ({
      name: `${one.task}, B = ${one.batchSize}`,
      points: one.rates.flatMap((rate) => {
        const found = shares(one, rate, rate.runs[0]?.length ? rate.runs[0].length - 1 : 0);
        if (found.length === 0 || found.some((share) => !(share > 0))) return [];
        const { value, low, high } = geometric(found);
        return [{ x: rate.multiple, y: value, low, high }];
      }),
    })),
  };
}

export function sections(series: readonly EdgeSeries[], plan: Plan): Section[] {
  const { steps, seeds, measurement } = plan;
  const { probeSize, products, directions } = measurement;
  const groups = [...Map.groupBy(series, ({ optimizer }) => optimizer.kind).values()];
  return [
    {
      kind: "text",
      text: `**How.** Tasks, whole runs (${steps} steps at a constant learning rate) and their best rates are those of [the best learning rate by batch size](../batch-size/README.md), with whose checkpoint and law of one step this compares. λ_max is the largest eigenvalue of P^(−½)HP^(−½) by ${products} steps of Lanczos's iteration, H the Hessian of the last ${probeSize} samples that a run has seen, P = 1 for SGD and √v̂ + ε for Adam. One step's best rate along a run is E[φ̃]ᵀg/E[φ̃ᵀHφ̃] over ${directions} unseen batches, φ̃ without momentum; at the checkpoint it is that of the other experiment. ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"} at each rate; intervals are Student's 95 % of the logarithms over seeds, and 90 % for the best rate and the law. Muon isn't here: msign's steps have one size however steep the loss is, so that no η·λ_max says whether they are stable.`,
    },
    predictionTable(series),
    sharesTable(series, plan),
    ...groups.map(plotOf),
    {
      kind: "text",
      text: "**What it means for a rate.** λ_max changes with the rate and with the place, so that the edge at one checkpoint isn't the whole run's best rate, and `rotor measure` prints no estimate of it from there. As a bound it is of use: a rate beyond edge/λ_max makes the steepest directions swing. Why whole runs want more than one step does isn't that either place is special: along the best runs one step wants less, too. It may be that one step's rate is set by the steepest directions, which a run may let swing while it gains in the others (not tested).",
    },
    {
      kind: "text",
      text: `**What it can't say.** ${steps} steps of models of some ten thousand parameters at a constant rate: drift to the edge may take longer than that, and warm-up and decay, larger models and longer runs are not measured here.`,
    },
  ];
}
