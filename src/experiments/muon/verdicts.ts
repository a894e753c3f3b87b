import type { Verdict } from "../experiment.ts";
import { meanLoss, type Sweep } from "../learningRateSweep.ts";
import { formatInterval, type Interval, interval } from "../statistics.ts";
import type { MatrixSpectrum } from "../trainTrial.ts";
import { bySize, format, shareInterval, timeInterval } from "./results.ts";
import type { SizeResult } from "./trials.ts";

/** `holds` if every interval lies below the bound, `fails` if every one lies above it. One value has no interval and decides nothing. */
function below(intervals: readonly (Interval | null)[], bound: number): Verdict["verdict"] {
  if (intervals.some((value) => value !== null && value.count < 2)) return "open";
  if (intervals.every((value) => value !== null && value.high < bound)) return "holds";
  return intervals.every((value) => value === null || value.low > bound) ? "fails" : "open";
}

/** Mean over the kinds of matrix, for each seed. */
function ranks(sweep: Sweep, name: keyof MatrixSpectrum): number[] {
  return [...sweep.best.results.values()].map(({ spectra }) => {
    const values = Object.values(spectra.at(-1)?.matrices ?? {}).map((matrix) => matrix[name]);
    return values.reduce((a, b) => a + b, 0) / values.length;
  });
}

function rankDifference({ sweeps }: SizeResult, name: "stableRank" | "effectiveRank"): Interval {
  const [muon, adamw] = [ranks(sweeps.Muon, name), ranks(sweeps.AdamW, name)];
  return interval(muon.map((value, i) => value - adamw[i]!));
}

function carryOver({ sweeps }: SizeResult) {
  const [adamw, matched] = [sweeps.AdamW, sweeps["Muon, match-adamw-rms"]];
  const atAdamwRate = matched.points.find(({ learningRate }) => learningRate === adamw.best.learningRate);
  return {
    factor: 2 ** (matched.log2Optimum.mean - adamw.log2Optimum.mean),
    loss: atAdamwRate === undefined ? Number.POSITIVE_INFINITY : meanLoss(atAdamwRate),
    own: meanLoss(matched.best),
    adamw: meanLoss(adamw.best),
  };
}

export function verdicts(results: readonly SizeResult[]): Verdict[] {
  const carried = results.map(carryOver);
  const differences = results.flatMap((result) => [
    rankDifference(result, "stableRank"),
    rankDifference(result, "effectiveRank"),
  ]);
  return [
    {
      claim: "Muon needs clearly fewer steps than AdamW (Keller Jordan 2024; Su-10592)",
      expected: "at most 0.8 of the steps to AdamW's final loss, at both sizes",
      found: bySize(results, (result) => format(shareInterval(result))),
      verdict: below(results.map(shareInterval), 0.8),
    },
    {
      claim: "Muon is there in less time",
      expected: "share of steps × ratio of seconds per step below 1",
      found: bySize(
        results,
        (result) =>
          `${format(timeInterval(result))}, a step takes ${formatInterval(result.timing.ratio, 2)} ×`,
      ),
      verdict: below(results.map(timeInterval), 1),
    },
    {
      claim: "With the scale 0.2·√max(rows, cols), AdamW's learning rate carries over to Muon (Moonlight)",
      expected: "best learning rates within a factor of 2; at AdamW's best one, Muon's loss is below AdamW's",
      found: bySize(results, (result) => {
        const { factor, loss, own, adamw } = carryOver(result);
        return `Muon's best is ${factor.toFixed(2)} × AdamW's; loss ${loss.toFixed(3)} at AdamW's, ${own.toFixed(3)} at its own, AdamW ${adamw.toFixed(3)}`;
      }),
      verdict: carried.every(({ factor, loss, adamw }) => Math.abs(Math.log2(factor)) <= 1 && loss < adamw)
        ? "holds"
        : "fails",
    },
    {
      claim: "Muon's weights have a flatter spectrum: higher stable and effective rank (Moonlight)",
      expected: "Muon's minus AdamW's, as shares of the full rank, above 0",
      found: bySize(
        results,
        (result) =>
          `stable ${formatInterval(rankDifference(result, "stableRank"))}, effective ${formatInterval(rankDifference(result, "effectiveRank"))}`,
      ),
      verdict: below(
        differences.map(({ mean, low, high, count }) => ({ mean: -mean, low: -high, high: -low, count })),
        0,
      ),
    },
  ];
}
