import { type Plot, renderPlot } from "../experiments/index.ts";
import { short } from "./format.ts";

/** Hits in order of frequency, the most frequent code first. */
export function byFrequency(histogram: ArrayLike<number>): Float64Array {
  return Float64Array.from(histogram).sort().reverse();
}

const eighths = " ▁▂▃▄▅▆▇█";

/**
 * Hits per code in characters, codes in order of frequency from left to right, on a logarithmic axis: a column is as high as
 * `log(1 + mean hits of its codes)`. A codebook that is used evenly is a rectangle, a collapsed one a spike at the left.
 */
export function drawHistogram(
  histogram: ArrayLike<number>,
  { width = 64, height = 6 }: { width?: number; height?: number } = {},
): string {
  const sorted = byFrequency(histogram);
  const columns = Math.min(width, sorted.length);
  const means = Array.from({ length: columns }, (_, i) => {
    const part = sorted.subarray(
      Math.floor((i * sorted.length) / columns),
      Math.floor(((i + 1) * sorted.length) / columns),
    );
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
  const most = Math.max(...means);
  const scale = most > 0 ? (8 * height) / Math.log1p(most) : 0;
  // Whatever was hit is seen.
  const heights = means.map((mean) => (mean > 0 ? Math.max(1, Math.round(scale * Math.log1p(mean))) : 0));
  const label = (row: number) => (row === 0 ? short(most) : row === height - 1 ? "0" : "").padStart(8);
  const lines = Array.from({ length: height }, (_, row) => {
    const floor = 8 * (height - 1 - row);
    const bars = heights.map((own) => eighths[Math.min(8, Math.max(0, own - floor))]).join("");
    return `${label(row)} ┤${bars}`.trimEnd();
  });
  const last = `${sorted.length} codes`;
  return `${lines.join("\n")}\n${" ".repeat(10)}most frequent${last.padStart(Math.max(0, columns - 13))}`;
}

/** Ranks to draw: all of the first, then ever fewer, so that a picture of 262,144 codes stays small. */
function shownRanks(count: number): number[] {
  const ranks: number[] = [];
  for (let rank = 1; rank <= count; rank = Math.max(rank + 1, Math.round(rank * 1.03))) ranks.push(rank);
  if (ranks.at(-1) !== count) ranks.push(count);
  return ranks;
}

/** Hits against rank, one line per codebook, as SVG; codes without a hit end a line. */
export function codebookSvg(title: string, histograms: readonly ArrayLike<number>[]): string {
  const plot: Plot = {
    kind: "plot",
    file: "codebook",
    title,
    x: { label: "rank of the code", scale: "log" },
    y: { label: "hits", scale: "log" },
    series: histograms.map((histogram, i) => {
      const sorted = byFrequency(histogram);
      return {
        name:
          histograms.length === 1 ? `${sorted.length} codes` : `codebook ${i + 1}: ${sorted.length} codes`,
        points: shownRanks(sorted.length).map((rank) => ({ x: rank, y: sorted[rank - 1]! })),
      };
    }),
  };
  return renderPlot(plot);
}
