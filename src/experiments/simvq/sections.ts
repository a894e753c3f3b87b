import type { Table } from "../experiment.ts";
import type { Plot, PlotSeries } from "../plot.ts";
import { formatInterval } from "../statistics.ts";
import { type MethodName, methodNames } from "./methods.ts";
import { type Quantity, type SimVqResults, stepsToReachVq, summary } from "./results.ts";

/** One line per method, with its intervals, over the sizes. */
function overSizes(results: SimVqResults, quantity: Quantity, scale = 1): PlotSeries[] {
  return methodNames.map((method) => ({
    name: method,
    points: results.sizes
      .filter((size) => results.triedAt(method, size))
      .map((size) => {
        const { mean, low, high, count } = summary(results, method, size, quantity);
        const point = { x: size, y: scale * mean };
        return count < 2 ? point : { ...point, low: scale * low, high: scale * high };
      }),
  }));
}

/** Mean held-out error along the way. */
function curves(results: SimVqResults, size: number): PlotSeries[] {
  return methodNames
    .filter((method) => results.triedAt(method, size))
    .map((method) => {
      const runs = results.of(method, size);
      const length = Math.min(...runs.map(({ curve }) => curve.length));
      return {
        name: method,
        points: Array.from({ length }, (_, i) => ({
          x: runs[0]!.curve[i]![0],
          y: runs.reduce((sum, { curve }) => sum + curve[i]![1], 0) / runs.length,
        })),
      };
    });
}

export function simVqPlots(results: SimVqResults): Plot[] {
  const x = { label: "codes", scale: "log" as const };
  const middle = results.sizes[Math.floor(results.sizes.length / 2)]!;
  return [
    {
      kind: "plot",
      file: "usage",
      title: "Codes used on held-out images",
      x,
      y: { label: "% of the codes", scale: "log" },
      series: overSizes(results, "usage", 100),
    },
    {
      kind: "plot",
      file: "perplexity",
      title: "Perplexity on held-out images",
      x,
      y: { label: "perplexity", scale: "log" },
      series: overSizes(results, "perplexity"),
    },
    {
      kind: "plot",
      file: "error",
      title: "Reconstruction of held-out images",
      x,
      y: { label: "PSNR, dB" },
      series: overSizes(results, "psnr"),
    },
    {
      kind: "plot",
      file: "convergence",
      title: `Held-out error during training, ${middle.toLocaleString("en")} codes`,
      x: { label: "step" },
      y: { label: "mean squared error", scale: "log" },
      series: curves(results, middle),
    },
  ];
}

/** What came out at one size. */
export function sizeTable(results: SimVqResults, size: number): Table {
  const text = (method: MethodName, quantity: Quantity, scale: number, digits: number) => {
    const { mean, low, high, count } = summary(results, method, size, quantity);
    if (!Number.isFinite(mean)) return "diverged";
    return formatInterval({ mean: scale * mean, low: scale * low, high: scale * high, count }, digits);
  };
  return {
    kind: "table",
    title: `${size.toLocaleString("en")} codes`,
    columns: [
      "quantizer",
      "used, % (held out)",
      "used, % (last 100 batches)",
      "perplexity",
      "PSNR, dB",
      "error, 10⁻³",
      "steps to VQ's error, %",
    ],
    rows: methodNames
      .filter((method) => results.triedAt(method, size))
      .map((method) => {
        const steps = stepsToReachVq(results, method, size);
        return [
          method,
          text(method, "usage", 100, 2),
          text(method, "trainUsage", 100, 2),
          text(method, "perplexity", 1, 1),
          text(method, "psnr", 1, 2),
          text(method, "loss", 1000, 3),
          method === "VQ (STE)" ? "100" : (100 * steps.mean).toFixed(0),
        ];
      }),
  };
}
