import { studentQuantile } from "../../numbers/index.ts";
import {
  type Coefficients,
  type CoefficientTable,
  coefficientTables,
  type SampledError,
  sampledError,
} from "../../spectral/index.ts";
import type { Table } from "../experiment.ts";
import { type Plan, sideOf } from "./plan.ts";
import { knownTables, type MomentumSpectra, ownTable, type RowResult } from "./searches.ts";
import type { Results, Row } from "./trials.ts";

export const number = (value: number) =>
  value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : value.toFixed(5);
export const withError = ({ mean, standardError }: SampledError) =>
  `${number(mean)} ± ${standardError === null ? "?" : number(standardError)}`;

/** Above this an error is divergence. */
const diverged = 10;
export const shown = (error: SampledError) => (error.mean < diverged ? withError(error) : "diverges");

/** Rounding of the published numbers. */
const rounding = 5e-6;

/**
 * How far a published mean lies from ours, taken for the mean over one matrix: 0 within its rounding, 1 at the end of Student's
 * 99.9 % prediction interval, which knows that our standard deviation comes from few matrices.
 */
function distance(published: number, { mean }: SampledError, deviation: number, matrices: number): number {
  const interval = studentQuantile(0.9995, matrices - 1) * deviation * Math.sqrt(1 + 1 / matrices);
  return Math.max(0, Math.abs(published - mean) - rounding) / interval;
}

export function distances({ published, result, matrices }: Row): {
  readonly found: number;
  readonly muon: number;
} {
  return {
    found: distance(published.error, result.constant.searched, result.foundDeviation, matrices),
    muon: distance(published.muonError, result.muon, result.muonDeviation, matrices),
  };
}

export type AnyTable = readonly Coefficients[] | CoefficientTable;

/** What the tables do to the momentum of a run. */
function momentumTable(spectra: MomentumSpectra, choices: Readonly<Record<string, AnyTable>>, title: string) {
  const shapes = Object.keys(spectra);
  const errors = Object.entries(choices).map(([name, table]): [string, SampledError[]] => [
    name,
    shapes.map((shape) =>
      sampledError(
        spectra[shape]!.map((values) => Float64Array.from(values)),
        table,
        5,
      ),
    ),
  ]);
  const table: Table = {
    kind: "table",
    title,
    columns: [
      "coefficients",
      ...shapes.map((shape) => `${spectra[shape]!.length} of ${shape.replace("x", " × ")}`),
    ],
    rows: errors.map(([name, byShape]) => [name, ...byShape.map(shown)]),
  };
  return { table, errors: Object.fromEntries(errors) };
}

/** What was found for them, and for matrices that are four times as wide. */
export function plotted(
  { rows }: Results,
  plan: Plan,
): { readonly square: RowResult; readonly wide: RowResult } {
  const side = sideOf(plan);
  const square = rows.find(({ published }) => published.rows === side && published.steps === 5)!.result;
  const wide = rows.find(({ published }) => published.rows === 4 * side && published.steps === 3)!.result;
  return { square, wide };
}

export const foundFor = (plan: Plan) => `one triple, found for ${sideOf(plan)} × ${sideOf(plan)}`;

/** What the found and the known tables do to the momentum of a run. */
export function onMomentum(results: Results, plan: Plan) {
  const [{ square }, side, { preset, steps }] = [plotted(results, plan), sideOf(plan), plan.momentum];
  return momentumTable(
    results.momentum,
    {
      [foundFor(plan)]: square.constant.steps,
      [`a triple per step, found for ${side} × ${side}`]: square.schedule.steps,
      "the same, bounded": square.bounded.steps,
      ...knownTables,
      Taylor: coefficientTables.taylor,
      "rotor-5": ownTable(5),
    },
    `Mean square error after 5 steps on the momentum of the preset ${preset} with ReLU² after ${steps} steps (±: standard error over matrices)`,
  );
}

/** Quantiles of the momentum's singular values, by shape. */
export function rangesOf(momentum: MomentumSpectra): string {
  return Object.entries(momentum)
    .map(([shape, matrices]) => {
      const all = matrices.flat().sort((a, b) => a - b);
      const at = (part: number) => number(all[Math.floor(part * (all.length - 1))]!);
      return `${shape.replace("x", " × ")}: ${at(0.05)} to ${at(0.95)}, largest ${at(1)}`;
    })
    .join("; ");
}
