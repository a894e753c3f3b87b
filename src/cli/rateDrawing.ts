import asciichart from "asciichart";
import { short } from "./format.ts";
import { ownSequences } from "./print.ts";
import { isColorSupported } from "./style.ts";

const width = 60;

/** The longest stretch of finite numbers: asciichart draws no gaps, and throws for NaN. */
function longestStretch(values: readonly number[]): [from: number, to: number] {
  let best: [number, number] = [0, 0];
  let from = 0;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) from = i + 1;
    else if (i + 1 - from > best[1] - best[0]) best = [from, i + 1];
  });
  return best;
}

/**
 * Learning rates against batch sizes, both in logarithms, drawn with characters: where there is a learning rate, or the longest part of it.
 *
 * @param rateAt - learning rate at a batch size; 0, NaN or ∞ where none can be given
 * @returns null if fewer than two points can be drawn
 */
export function drawRates(low: number, high: number, rateAt: (batchSize: number) => number): string | null {
  if (!(high > low)) return null;
  const sizes = Array.from({ length: width }, (_, i) => low * (high / low) ** (i / (width - 1)));
  const rates = sizes.map((size) => Math.log10(rateAt(size)));
  const [from, to] = longestStretch(rates);
  if (to - from < 2) return null;
  const drawn = rates.slice(from, to);
  const chart = asciichart.plot(drawn, {
    height: 8,
    // A flat curve gets a scale too.
    min: Math.min(...drawn) - 0.02,
    max: Math.max(...drawn) + 0.02,
    format: (value: number) => short(10 ** value, 2).padStart(9),
    ...(isColorSupported ? { colors: [asciichart.blue] } : {}),
  });
  const [first, last] = [`B ${short(sizes[from]!)}`, short(sizes[to - 1]!)];
  const axis = `${first} ${last.padStart(to - from - first.length - 1)}`;
  return `η*\n${ownSequences(chart)}\n${" ".repeat(11)}${axis}`;
}
