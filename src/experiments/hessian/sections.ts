import type { Table } from "../experiment.ts";
import type { Plot } from "../plot.ts";
import { interval } from "../statistics.ts";
import { averages, type ScaleName } from "./networkTrials.ts";
import {
  averageNames,
  correctedRank,
  correctedSlope,
  intervalOrNull,
  type Measured,
  perMatrix,
  type Runs,
  show,
} from "./summary.ts";

/** Every matrix of the first seed. */
export function layerTable(title: string, runs: Runs, name: ScaleName): Table {
  const checkpoints = runs[0]!;
  const paths = checkpoints[0]!.layers.map(({ path }) => path);
  return {
    kind: "table",
    title,
    columns: [
      "matrix",
      ...checkpoints.map(({ step }) => `step ${step}: reliability, rank, slope ± standard error`),
    ],
    rows: paths.map((path, i) => [
      path,
      ...checkpoints.map(({ layers }) => {
        const { reliability, agreement } = layers[i]!;
        const { rankCorrelation, slope, slopeStandardError } = agreement[name];
        return `${reliability.rank.toFixed(2)}, ${rankCorrelation.toFixed(2)}, ${slope.toFixed(2)} ± ${slopeStandardError.toFixed(2)}`;
      }),
    ]),
  };
}

/** Means over matrices and seeds of everything that stands beside the Hessian. */
export function meansTable(adam: Runs, adabelief: Runs): Table {
  const rows: [string, Runs, ScaleName][] = [
    ["Adam's √v̂", adam, "optimizer"],
    ["√E[g²] at the checkpoint", adam, "here"],
    ["√Var[g] at the checkpoint", adam, "centred"],
    ...averageNames.map((name, i): [string, Runs, ScaleName] => [
      `average of g², b2 ${averages[i]}`,
      adam,
      name,
    ]),
    ["AdaBelief's √ŝ", adabelief, "optimizer"],
    ["√E[g²] on AdaBelief's path", adabelief, "here"],
    ["√Var[g] on AdaBelief's path", adabelief, "centred"],
  ];
  return {
    kind: "table",
    title:
      "Corrected rank correlation and corrected slope, means over matrices and seeds with 95 % intervals (matrices of one network aren't independent, so the intervals are too narrow)",
    columns: ["beside |diag H|", ...adam[0]!.map(({ step }) => `step ${step}: rank; slope`)],
    rows: rows.map(([label, runs, name]) => [
      label,
      ...adam[0]!.map(
        (_, place) =>
          `${show(intervalOrNull(perMatrix(runs, place, correctedRank(name))))}; ${show(intervalOrNull(perMatrix(runs, place, correctedSlope(name))))}`,
      ),
    ]),
  };
}

/** The pictures of the report. */
export function plots({ quadratics, adam, adabelief }: Measured): Plot[] {
  const checkpoints = adam[0]!;
  const lastGroups = checkpoints.at(-1)!.groups;
  const { hessian, scale } = lastGroups[lastGroups.length >> 1]!;
  const reference = (exponent: number) =>
    [lastGroups[lastGroups.length >> 2]!, lastGroups.at(-1)!].map(({ hessian: x }) => ({
      x,
      y: scale * (x / hessian) ** exponent,
    }));
  const over = (runs: Runs, name: ScaleName) =>
    checkpoints.map(({ step }, place) => {
      const { mean, low, high } = interval(
        perMatrix(runs, place, ({ agreement }) => agreement[name].rankCorrelation),
      );
      return { x: step, y: mean, low, high };
    });
  return [
    {
      kind: "plot",
      file: "quadratic",
      title: "A quadratic with θ − θ* ~ N(0, σ²I)",
      x: { label: "ρ, coupling of parameters (ρ = 0 shown at 0.003)", scale: "log" },
      y: { label: "slope of log √E[g²]" },
      series: [
        {
          name: "over |diag H|, exact",
          points: quadratics.map(({ correlation, result }) => ({
            x: Math.max(correlation, 0.003),
            y: result.exact.slope,
          })),
        },
        {
          name: "over the norms of rows, sampled",
          points: quadratics.map(({ correlation, result }) => ({
            x: Math.max(correlation, 0.003),
            y: result.sampled.slope,
          })),
        },
      ],
    },
    {
      kind: "plot",
      file: "scatter",
      title: "√v̂ of Adam beside |diag H|: medians of 24 groups of all matrix elements",
      x: { label: "|diag H| (with the noise of its estimate)", scale: "log" },
      y: { label: "√v̂", scale: "log" },
      series: [
        ...checkpoints.map(({ step, groups }) => ({
          name: `step ${step}`,
          points: groups.map(({ hessian: x, scale: y }) => ({ x, y })),
        })),
        { name: "slope 1", dashed: true, points: reference(1) },
        { name: "slope ½", dashed: true, points: reference(0.5) },
      ],
    },
    {
      kind: "plot",
      file: "training",
      title: "Rank correlation with |diag H| over training (not corrected for noise)",
      x: { label: "step", scale: "log" },
      y: { label: "Spearman's correlation, mean over matrices" },
      series: [
        { name: "Adam's √v̂", points: over(adam, "optimizer") },
        { name: "√E[g²], fixed parameters", points: over(adam, "here") },
        { name: "√Var[g], fixed parameters", points: over(adam, "centred") },
        { name: "AdaBelief's √ŝ", points: over(adabelief, "optimizer") },
      ],
    },
    {
      kind: "plot",
      file: "average-length",
      title: "Averages of g² along Adam's path (not corrected for noise)",
      x: { label: "1/(1 − b2), steps", scale: "log" },
      y: { label: "Spearman's correlation with |diag H|" },
      series: checkpoints.map(({ step }, place) => ({
        name: `step ${step}`,
        points: averages.map((b2, i) => ({
          x: 1 / (1 - b2),
          y: interval(perMatrix(adam, place, ({ agreement }) => agreement[averageNames[i]!].rankCorrelation))
            .mean,
        })),
      })),
    },
  ];
}
