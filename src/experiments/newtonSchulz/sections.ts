import { coefficientTable, coefficientTables, iteratePolynomial } from "../../spectral/index.ts";
import type { Section, Table } from "../experiment.ts";
import type { Plot, PlotSeries } from "../plot.ts";
import { type Plan, sideOf } from "./plan.ts";
import {
  type AnyTable,
  distances,
  number,
  onMomentum,
  plotted,
  rangesOf,
  shown,
  withError,
} from "./results.ts";
import { type ErrorsBySteps, knownTables, ownTable } from "./searches.ts";
import type { Results, Row } from "./trials.ts";

function reproduction(rows: readonly Row[]): Table {
  return {
    kind: "table",
    title:
      "Found triples beside the published ones. ±: standard error over the matrices that were drawn. Distance: of the published mean from ours, as a part of the 99.9 % prediction interval for one more matrix",
    columns: [
      "n",
      "m",
      "T",
      "κ",
      "x₁",
      "x₂",
      "a",
      "b",
      "c",
      "mse",
      "published triple, same values",
      "published mse",
      "distance",
      "Muon's mse",
      "published mse_o",
      "distance",
    ],
    rows: rows.map((row) => {
      const { published, result } = row;
      const { found, muon } = distances(row);
      return [
        String(published.rows),
        String(published.columns),
        String(published.steps),
        ...[result.kappa, result.x1, result.x2, ...result.coefficients].map((value) => value.toFixed(3)),
        withError(result.constant.searched),
        number(result.published),
        number(published.error),
        found.toFixed(2),
        withError(result.muon),
        number(published.muonError),
        muon.toFixed(2),
      ];
    }),
  };
}

function beyond(rows: readonly Row[]): Table {
  const own = "rotor-T";
  return {
    kind: "table",
    title:
      "Mean square error at the same number of products, on the matrices of the search; where it says fresh, on matrices that the search has not seen",
    columns: [
      "n",
      "m",
      "T",
      "one triple",
      "one triple, any roots",
      "a triple per step",
      "fresh",
      "stays below 2 up to σ =",
      "a triple per step, bounded",
      "fresh",
      ...Object.keys(knownTables),
      own,
    ],
    rows: rows.map(({ published, result }) => [
      String(published.rows),
      String(published.columns),
      String(published.steps),
      number(result.constant.searched.mean),
      number(result.free.searched.mean),
      withError(result.schedule.searched),
      shown(result.schedule.fresh),
      result.schedule.boundedUpTo.toFixed(3),
      withError(result.bounded.searched),
      shown(result.bounded.fresh),
      ...Object.values(result.tables).map(({ searched }) => number(searched.mean)),
    ]),
  };
}

/** `g^T(σ)` on a logarithmic axis; images beyond what a plot can show are left out. */
function curve(
  name: string,
  table: AnyTable,
  steps: number,
  [low, high]: readonly [number, number],
): PlotSeries {
  const { steps: triples, safety } = coefficientTable(table);
  const count = 240;
  const short = (value: number) => Number(value.toPrecision(5));
  const points = Array.from({ length: count + 1 }, (_, i) => {
    const x = low * (high / low) ** (i / count);
    const y = iteratePolynomial(x / safety, triples, steps);
    return { x: short(x), y: Math.abs(y) <= 2 ? short(y) : Number.NaN };
  });
  return { name, points: points.filter(({ y }) => !Number.isNaN(y)) };
}

function curvePlot(file: string, title: string, series: readonly PlotSeries[]): Plot {
  return {
    kind: "plot",
    file,
    title,
    x: { label: "singular value σ of M/‖M‖_F", scale: "log" },
    y: { label: "after the iteration" },
    series,
  };
}

function stepsPlot(errors: ErrorsBySteps, title: string): Plot {
  return {
    kind: "plot",
    file: "error-by-steps",
    title,
    x: { label: "steps (three products each)" },
    y: { label: "mean square error", scale: "log" },
    series: Object.entries(errors).map(([name, values]) => ({
      name,
      points: values.map((y, i) => ({ x: i + 1, y: Math.max(y, 1e-12) })),
    })),
  };
}

/** What the report shows below its verdicts. */
export function sections(results: Results, plan: Plan): readonly Section[] {
  const { rows, bySteps, momentum } = results;
  const { square, wide } = plotted(results, plan);
  const { table } = onMomentum(results, plan);
  const side = sideOf(plan);
  const tables = Object.entries(knownTables);
  return [
    reproduction(rows),
    beyond(rows),
    {
      kind: "text",
      text:
        "A triple per step that is fitted to Gaussian matrices uses that none of their singular values is large, and multiplies " +
        "larger ones without bound; `rotor coefficients --bounded` gives up some of the gain for safety. Tables with fewer rows " +
        "than T repeat the last one, longer ones are cut; Polar Express is made for 5 steps and for spectra down to 10⁻³.",
    },
    stepsPlot(bySteps, `Gaussian ${side} × ${side}: error by number of steps`),
    curvePlot("curves-square", `Five steps, found for ${side} × ${side}`, [
      curve("one triple", square.constant.steps, 5, [1e-4, 2 / Math.sqrt(side)]),
      curve("per step", square.schedule.steps, 5, [1e-4, 2 / Math.sqrt(side)]),
      ...tables
        .filter(([known]) => known !== "five triples")
        .map(([known, own]) => curve(known, own, 5, [1e-4, 2 / Math.sqrt(side)])),
    ]),
    curvePlot("curves-wide", `Three steps, found for ${4 * side} × ${side}`, [
      curve("one triple", wide.constant.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
      curve("one triple, any roots", wide.free.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
      curve("per step", wide.schedule.steps, 3, [2e-3, 1.5 / Math.sqrt(side)]),
      curve("Keller Jordan", coefficientTables["keller-jordan"], 3, [2e-3, 1.5 / Math.sqrt(side)]),
    ]),
    curvePlot("curves-bounded", "Five steps, all singular values up to 1", [
      curve("per step", square.schedule.steps, 5, [1e-4, 1]),
      curve("per step, bounded", square.bounded.steps, 5, [1e-4, 1]),
      curve("rotor-5", ownTable(5), 5, [1e-4, 1]),
      curve("Polar Express", coefficientTables["polar-express"], 5, [1e-4, 1]),
    ]),
    table,
    {
      kind: "text",
      text: `Singular values of the momentum, from the 5 % to the 95 % quantile: ${rangesOf(momentum)}.`,
    },
  ];
}
