import { mean, median } from "simple-statistics";
import type { Paragraph, Section, Table } from "../experiment.ts";
import type { Plot } from "../plot.ts";
import { formatInterval, interval } from "../statistics.ts";
import { kindNames, matchedNames, type Plan } from "./plan.ts";
import { bestOf, losses, type Measures, matched, measuresAt, percent } from "./results.ts";
import type { DecayPoint, Results } from "./trials.ts";

const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;

function strengthTable({ none, kinds }: Results): Table {
  const row = (kind: string, { strength, results }: DecayPoint) => {
    const at = results.map((run) => measuresAt(run, -1));
    const cell = (name: keyof Measures, digits: number) =>
      formatInterval(interval(at.map((value) => value[name])), digits);
    return [
      kind,
      strength === 0 ? "" : String(strength),
      cell("loss", 3),
      cell("spectralNorm", 2),
      cell("rest", 2),
      cell("stableRank", 3),
    ];
  };
  return {
    kind: "table",
    title: "After training, means over the hidden matrices",
    columns: ["decay", "λ", "validation loss (nats)", "σ₁", "√(‖W‖_F² − σ₁²)", "stable rank / full"],
    rows: [row("none", none), ...kindNames.flatMap((kind) => kinds[kind].map((point) => row(kind, point)))],
  };
}

function matchedTable(results: Results): Table {
  const cells = (runs: readonly Measures[] | null, name: keyof Measures, digits: number) =>
    runs === null ? "not on the grid" : formatInterval(interval(runs.map((run) => run[name])), digits);
  const none = results.none.results.map((run) => measuresAt(run, -1));
  const rows = [
    ["none", none] as const,
    ...matchedNames.map((kind) => [kind, matched(results, kind)] as const),
  ];
  return {
    kind: "table",
    title: "Matched: the strength that ends with half the σ₁ of no decay, between the values of the grid",
    columns: ["decay", "σ₁", "validation loss (nats)", "√(‖W‖_F² − σ₁²)", "stable rank / full"],
    rows: rows.map(([kind, runs]) => [
      kind,
      cells(runs, "spectralNorm", 2),
      cells(runs, "loss", 3),
      cells(runs, "rest", 2),
      cells(runs, "stableRank", 3),
    ]),
  };
}

function estimateTable({ estimates }: Results): Table {
  const { ones, onesOneStep, gap } = estimates.get(1)!;
  const row = (name: string, values: readonly number[]) => [
    name,
    ...[0.5, 0.95, 1].map((share) => percent(quantile(values, share))),
  ];
  return {
    kind: "table",
    title: `How far ‖Wv‖ is below σ₁ during a training with spectral decay (${gap.length} values; median of σ₂/σ₁: ${median([...gap]).toFixed(2)})`,
    columns: ["power iteration", "median", "95 %", "largest"],
    rows: [
      ...[...estimates].map(([steps, { warm }]) => row(`${steps} from the last vectors`, warm)),
      row("10 from all ones", ones),
      row("1 from all ones", onesOneStep),
    ],
  };
}

function plots(results: Results): Plot[] {
  const { none, kinds } = results;
  const best = [
    ["none", none] as const,
    ...matchedNames.map((kind) => {
      const point = bestOf(kinds[kind]);
      return [`${kind}, λ = ${point.strength}`, point] as const;
    }),
  ];
  const withInterval = (x: number, values: readonly number[]) => {
    if (!values.every(Number.isFinite)) return { x, y: Number.NaN };
    const { mean: y, low, high } = interval(values);
    return { x, y, low, high };
  };
  const over = (name: "spectralNorm" | "stableRank", file: string, title: string, label: string): Plot => ({
    kind: "plot",
    file,
    title,
    x: { label: "step" },
    y: { label },
    series: best.map(([series, { results: runs }]) => ({
      name: series,
      points: runs[0]!.spectra.map(({ step }, i) =>
        withInterval(
          step,
          runs.map((run) => measuresAt(run, i)[name]),
        ),
      ),
    })),
  });
  const against = (
    name: "rest" | "stableRank" | "loss",
    file: string,
    title: string,
    label: string,
  ): Plot => ({
    kind: "plot",
    file,
    title,
    x: { label: "σ₁ at the end" },
    y: { label },
    series: matchedNames.map((kind) => ({
      name: kind,
      points: [none, ...kinds[kind]].map(({ results: runs }) => {
        const at = runs.map((run) => measuresAt(run, -1));
        // Most of the spread of losses is the seed's, which no decay has as well.
        const base = name === "loss" ? losses(none) : none.results.map(() => 0);
        return withInterval(
          mean(at.map(({ spectralNorm }) => spectralNorm)),
          at.map((value, i) => value[name] - base[i]!),
        );
      }),
    })),
  });
  return [
    against(
      "loss",
      "loss-by-norm",
      "Validation loss by the σ₁ that a strength leads to",
      "nats above no decay, same seed",
    ),
    against(
      "stableRank",
      "rank-by-norm",
      "Stable rank by the σ₁ that a strength leads to",
      "share of full rank",
    ),
    over("spectralNorm", "norm", "σ₁ during training, each decay at its best strength", "mean σ₁"),
    over(
      "stableRank",
      "rank",
      "Stable rank during training, each decay at its best strength",
      "share of full rank",
    ),
  ];
}

function method(plan: Plan): Paragraph {
  const { steps, batchSize, length, seeds, source, learningRate } = plan;
  return {
    kind: "text",
    text: [
      `**How.** A byte-level transformer (${plan.model.numLayers} layers, d = ${plan.model.modelDim}) on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens, less than one epoch, so that nothing can be learnt by heart and decay can only help or hinder the optimization. AdamW, peak learning rate ${learningRate}, b1 0.9, b2 0.95, eps 1e-10; warmup for 5 % of the steps, linear decay to 0 over the last 40 %. All decays are decoupled, multiplied by the learning rate, and act on the hidden matrices only. Seeds ${seeds.join(", ")}, the same for all; differences are paired by seed.`,
      "**Matched strengths.** A λ means something else for each kind, so they are compared in two ways: each at its λ with the least validation loss, and at the λ (between those of the grid, linear in ln σ₁) that ends with half the σ₁ of training without decay. The best λ is chosen and judged on the same seeds, which favours kinds with more values on the grid a little. Intervals are 95 %, Student's, over the seeds.",
    ].join("\n\n"),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: Results, plan: Plan): readonly Section[] {
  return [
    method(plan),
    matchedTable(results),
    strengthTable(results),
    ...plots(results),
    estimateTable(results),
  ];
}
