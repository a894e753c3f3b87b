import type { Paragraph, Section, Table } from "../experiment.ts";
import { finalLoss, type Sweep } from "../learningRateSweep.ts";
import type { Plot } from "../plot.ts";
import { formatInterval, interval } from "../statistics.ts";
import { curveParts, type MatrixSpectrum } from "../trainTrial.ts";
import type { Plan } from "./plan.ts";
import { format, losses, names, optimalRate, shareInterval, timeInterval } from "./results.ts";
import type { SizeResult } from "./trials.ts";

function resultTable(results: readonly SizeResult[]): Table {
  return {
    kind: "table",
    title: "At the best learning rate of the grid",
    columns: ["model", "optimizer", "best on the grid", "between its values", "validation loss (nats)"],
    rows: results.flatMap(({ name, sweeps }) =>
      names.map((optimizer) => [
        name,
        optimizer,
        String(sweeps[optimizer].best.learningRate),
        optimalRate(sweeps[optimizer]),
        formatInterval(interval(losses(sweeps[optimizer]))),
      ]),
    ),
  };
}

function stepTable(results: readonly SizeResult[], plan: Plan): Table {
  return {
    kind: "table",
    title: "To AdamW's final loss",
    columns: [
      "model",
      "share of its steps",
      `ms per step at ${plan.batchSize * plan.length} tokens: AdamW`,
      "Muon",
      "Muon's step / AdamW's",
      `the same at ${4 * plan.batchSize * plan.length} tokens`,
      "share of its time",
    ],
    rows: results.map((result) => [
      result.name,
      format(shareInterval(result)),
      ...result.timing.seconds.map((seconds) => (1000 * seconds).toFixed(1)),
      formatInterval(result.timing.ratio, 2),
      formatInterval(result.timingLargeBatch.ratio, 2),
      format(timeInterval(result)),
    ]),
  };
}

/** AdamW with other options, if they were tried. */
function variantTables({ name, sweeps, stepShares, variants }: SizeResult): Table[] {
  if (variants.length === 0) return [];
  const row = (label: string, values: readonly number[], shares: SizeResult["stepShares"]) => [
    label,
    formatInterval(interval(values)),
    format(shareInterval({ stepShares: shares })),
  ];
  return [
    {
      kind: "table",
      title: `Is AdamW set badly? Its best run with one option changed: ${name}`,
      columns: ["AdamW", "validation loss (nats)", "share of its steps that Muon needs to this loss"],
      rows: [
        row("as above", losses(sweeps.AdamW), stepShares),
        ...variants.map((variant) => row(variant.name, variant.losses, variant.stepShares)),
      ],
    },
  ];
}

function spectraTable({ name, sweeps }: SizeResult): Table {
  const seeds = [...sweeps.AdamW.best.results.values()];
  const kinds = Object.keys(seeds[0]?.spectra.at(-1)?.matrices ?? {});
  const cell = (sweep: Sweep, at: 0 | -1, kind: string, value: keyof MatrixSpectrum) =>
    formatInterval(
      interval([...sweep.best.results.values()].map(({ spectra }) => spectra.at(at)!.matrices[kind]![value])),
      2,
    );
  const measured = [
    ["start", sweeps.AdamW, 0],
    ["AdamW", sweeps.AdamW, -1],
    ["Muon", sweeps.Muon, -1],
  ] as const;
  return {
    kind: "table",
    title: `Spectra of the hidden matrices, means over the layers, at start and after training: ${name}`,
    columns: ["matrix", "weights of", "σ₁", "‖W‖_F", "stable rank / full", "effective rank / full"],
    rows: kinds.flatMap((kind) =>
      measured.map(([label, sweep, at]) => [
        kind,
        label,
        ...(["spectralNorm", "frobeniusNorm", "stableRank", "effectiveRank"] as const).map((value) =>
          cell(sweep, at, kind, value),
        ),
      ]),
    ),
  };
}

function plots({ name, sweeps, horizons }: SizeResult, index: number, plan: Plan): Plot[] {
  const suffix = index + 1;
  const withInterval = (x: number, values: readonly number[]) => {
    const finite = values.filter(Number.isFinite);
    if (finite.length < values.length || finite.length === 0) return { x, y: Number.NaN };
    const { mean, low, high, count } = interval(finite);
    return count < 2 ? { x, y: mean } : { x, y: mean, low, high };
  };
  const adamw = interval(losses(sweeps.AdamW)).mean;
  return [
    {
      kind: "plot",
      file: `sweep-${suffix}`,
      title: `Validation loss after ${plan.steps} steps: ${name}`,
      x: { label: "learning rate", scale: "log" },
      y: { label: "nats" },
      series: names.map((optimizer) => ({
        name: optimizer,
        points: sweeps[optimizer].points.map(({ learningRate, results }) =>
          withInterval(learningRate, [...results.values()].map(finalLoss)),
        ),
      })),
    },
    {
      kind: "plot",
      file: `curves-${suffix}`,
      title: `Loss of unseen batches during training: ${name}`,
      x: { label: "step" },
      y: { label: "nats" },
      series: names.map((optimizer) => ({
        name: optimizer,
        points: Array.from({ length: curveParts }, (_, part) => ({
          x: ((part + 0.5) * plan.steps) / curveParts,
          y: interval([...sweeps[optimizer].best.results.values()].map((r) => r.losses[part] ?? Number.NaN))
            .mean,
        })),
      })),
    },
    {
      kind: "plot",
      file: `steps-${suffix}`,
      title: `Final loss of runs of this many steps: ${name}`,
      x: { label: "steps of the run" },
      y: { label: "validation loss, nats" },
      series: [
        { name: "Muon", points: horizons.map((run) => withInterval(run.steps, run.losses)) },
        {
          name: `AdamW after ${plan.steps} steps`,
          dashed: true,
          points: [horizons[0]!.steps, plan.steps].map((x) => ({ x, y: adamw })),
        },
      ],
    },
  ];
}

function method(plan: Plan): Paragraph {
  const { steps, batchSize, length, seeds, source } = plan;
  return {
    kind: "text",
    text: [
      `**How.** Byte-level transformers on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens, less than one epoch; warmup for 5 % of the steps, linear decay to 0 over the last 40 %; gradients clipped to norm 1; no weight decay. A seed decides initial weights and batches, the same for all optimizers (seeds ${seeds.join(", ")}).`,
      "Every optimizer has one learning rate that is swept by factors of 2, one seed on the whole grid, all seeds at the best value and its neighbours; the grid grows while the best lies at its edge. AdamW has b1 0.9, b2 0.95, eps 1e-10 wherever it is used. Muon's AdamW, for embedding, head and norms, takes the learning rate that is best for AdamW alone, so that Muon has no second swept value; with `match-adamw-rms` one learning rate serves all parameters, as Moonlight does (which trains with weight decay 0.1 and far longer).",
      "Steps to AdamW's final loss come from shorter runs of Muon, each with its whole schedule: a point on the way of a longer run has not had its decay. Between two lengths the loss is taken as linear in the logarithm of the steps.",
      "Time per step is processor time, which is the time of the clock on a free core: both optimizers in turn in one process of one thread, medians of blocks. Intervals are 95 %, Student's, over the seeds (over blocks for the time).",
    ].join(" "),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: readonly SizeResult[], plan: Plan): readonly Section[] {
  return [
    method(plan),
    resultTable(results),
    stepTable(results, plan),
    ...results.flatMap(variantTables),
    ...results.flatMap((result, i) => [...plots(result, i, plan), spectraTable(result)]),
  ];
}
