import type { Estimate } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";
import { type Comparison, describeComparisons, judge } from "../laws/predictions.ts";
import { formatRate } from "../laws/showNumbers.ts";
import { formatInterval } from "../statistics.ts";
import { settleComparisons, settleWithSeeds } from "../toSettle.ts";
import { type EdgeSeries, edgeRate, lastGreedy, nameOf, ratesAt, sharpnessSlope } from "./results.ts";

/** As of the other laws of whole runs. */
export const aim = 1.5;

type Predict = (series: EdgeSeries) => Estimate | null;

const exactly = (value: number): Estimate => ({ value, low: value, high: value });

/** What the edge at the end of runs at a multiple of the best learning rate says of the best. */
export const edgeAfter =
  (multiple: number): Predict =>
  (series) => {
    const runs = ratesAt(series, multiple);
    return runs && edgeRate(series, runs);
  };
export const edgeAtCheckpoint: Predict = ({ edge, atCheckpoint }) =>
  atCheckpoint > 0 ? exactly(edge / atCheckpoint) : null;
export const greedyAtCheckpoint: Predict = ({ greedy }) => greedy;
export const greedyAtBest: Predict = (series) => {
  const runs = ratesAt(series, 1);
  return runs && lastGreedy(runs);
};

export function comparisonsOf(series: readonly EdgeSeries[], predict: Predict): Comparison[] {
  return series.flatMap((one) => {
    const range = predict(one);
    return range === null ? [] : [{ label: nameOf(one), predicted: range.value, range, measured: one.best }];
  });
}

/** Median of predicted over measured. */
function middleRatio(comparisons: readonly Comparison[]): number {
  const sorted = comparisons
    .map(({ predicted, measured }) => predicted / measured.value)
    .sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function within(claim: string, series: readonly EdgeSeries[], predict: Predict, beside?: Predict): Verdict {
  const comparisons = comparisonsOf(series, predict);
  const all = (own: readonly Comparison[]) =>
    own.length === 0
      ? "nothing to compare"
      : `${describeComparisons(own)}, ${Number(middleRatio(own).toPrecision(2))} times the best in the middle`;
  return {
    claim,
    expected: `within ${aim}× of the best constant learning rate of whole runs`,
    found: `${all(comparisons)}${beside === undefined ? "" : `; the law of one step from there: ${all(comparisonsOf(series, beside))}`}`,
    verdict: judge(comparisons, aim),
    toSettle: settleComparisons(comparisons, aim),
  };
}

function flatter(series: readonly EdgeSeries[]): Verdict {
  const slopes = series.flatMap((one) => {
    const slope = sharpnessSlope(one);
    return slope === null ? [] : [{ name: nameOf(one), interval: slope }];
  });
  const known = slopes.filter(({ interval }) => interval.count > 1);
  const holds =
    known.length > 0 && known.length === slopes.length && known.every(({ interval }) => interval.high < 0);
  const fails = known.some(({ interval }) => interval.low > 0);
  return {
    claim: "Runs with larger learning rates end where the loss is less sharp (arXiv 2103.00065, 2207.14484)",
    expected: "λ_max after the last step falls with η, up to the best: slope of the logarithms below 0",
    found:
      slopes.map(({ name, interval }) => `${name}: ${formatInterval(interval, 2)}`).join("; ") || "no runs",
    verdict: holds ? "holds" : fails ? "fails" : "open",
    toSettle: settleWithSeeds(slopes),
  };
}

/** The edge as a bound: a best rate beyond it by more than the aim contradicts it. */
function bounds(series: readonly EdgeSeries[]): Verdict {
  const comparisons = comparisonsOf(series, edgeAfter(1));
  const beyond = comparisons.map(({ predicted, measured, ...rest }) => ({
    ...rest,
    // Below the edge nothing is missed.
    predicted: Math.min(predicted, measured.value),
    range: { value: predicted, low: Math.min(rest.range!.low, measured.low), high: rest.range!.high },
    measured,
  }));
  const shares = comparisons.map(
    ({ predicted, measured, label }) => `${label}: ${formatRate(measured.value / predicted)}`,
  );
  return {
    claim: "No run goes best at a learning rate beyond the edge of stability where it ends",
    expected: `at most ${aim}× the edge`,
    found: shares.length === 0 ? "nothing to compare" : `the best over the edge: ${shares.join("; ")}`,
    verdict: judge(beyond, aim),
    toSettle: settleComparisons(beyond, aim),
  };
}

const kinds = [
  { kind: "sgd", name: "SGD", edge: "2" },
  { kind: "adam", name: "Adam", edge: "38, as its b1 is 0.9" },
] as const;

export function verdicts(series: readonly EdgeSeries[], smallest: number): Verdict[] {
  return [
    ...kinds.map(({ kind, name, edge }) =>
      within(
        `${name}: whole runs at their best learning rate end at the edge of stability, η = edge/λ_max(P⁻¹H), edge ${edge} (arXiv 2103.00065, 2207.14484)`,
        series.filter(({ optimizer }) => optimizer.kind === kind),
        edgeAfter(1),
      ),
    ),
    bounds(series),
    ...kinds.map(({ kind, name }) =>
      within(
        `${name}: the edge at one checkpoint is the best learning rate of whole runs`,
        series.filter(({ optimizer }) => optimizer.kind === kind),
        edgeAtCheckpoint,
        greedyAtCheckpoint,
      ),
    ),
    within(
      `The edge at the end of runs with 1/${Math.round(1 / smallest)} of the best learning rate is the best one`,
      series,
      edgeAfter(smallest),
    ),
    within(
      "Where whole runs at their best learning rate end, one step wants that rate, too",
      series,
      greedyAtBest,
    ),
    flatter(series),
  ];
}
