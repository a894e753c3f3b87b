import { horizonExponents, horizonRule } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";
import { type Comparison, describeComparisons, judge } from "../laws/predictions.ts";
import { formatInterval, interval } from "../statistics.ts";
import { settleComparisons, settleWithSeeds } from "../toSettle.ts";
import type { ScheduleName } from "./plan.ts";
import { rateOf, type Series } from "./results.ts";

/** A rate is carried well within this factor. */
const aim = 1.3;

/** What the rule makes of the shortest horizon's rate, for the longer ones; exponent 0 keeps it. */
export function carried({ best }: Series, exponent: number): Comparison[] {
  const [first, ...rest] = best;
  const from = rateOf(first!);
  const at = (learningRate: number, steps: number) =>
    horizonRule({ learningRate, steps: first!.steps }, steps, exponent).value;
  return rest.map((own) => ({
    label: `${own.steps} steps`,
    predicted: at(from.value, own.steps),
    range: { value: at(from.value, own.steps), low: at(from.low, own.steps), high: at(from.high, own.steps) },
    measured: rateOf(own),
  }));
}

function falls(series: readonly Series[]): Verdict {
  const isKnown = series.every(({ slope }) => slope.count > 1);
  return {
    claim: "A longer run wants a smaller learning rate (arXiv 2409.19913)",
    expected: "a slope of log η* over log steps below 0 under every schedule",
    found: series.map(({ schedule, slope }) => `${schedule}: ${formatInterval(slope, 2)}`).join("; "),
    verdict: !isKnown
      ? "open"
      : series.every(({ slope }) => slope.high < 0)
        ? "holds"
        : series.some(({ slope }) => slope.low > 0)
          ? "fails"
          : "open",
    toSettle: settleWithSeeds(series.map(({ schedule, slope }) => ({ name: schedule, interval: slope }))),
  };
}

function ruleHolds(series: Series): Verdict {
  const comparisons = carried(series, horizonExponents.language);
  return {
    claim: `${series.schedule}: \`horizonRule\`, η·(T'/T)^−${horizonExponents.language}, carries the shortest run's rate to longer ones`,
    expected: `within ${aim}×`,
    found: `${describeComparisons(comparisons)}; the rate kept as it is: ${describeComparisons(carried(series, 0))}`,
    verdict: series.slope.count < 2 ? "open" : judge(comparisons, aim),
    toSettle: series.slope.count < 2 ? "A second seed." : settleComparisons(comparisons, aim),
  };
}

function lowest(series: readonly Series[]): Verdict {
  const of = (name: ScheduleName) => series.find(({ schedule }) => schedule === name)!.best.at(-1)!;
  const zero = of("decay to zero");
  const others = (["constant", "warmup–stable–decay"] as const).map((name) => ({
    name,
    interval: interval(zero.losses.map((loss, i) => loss - of(name).losses[i]!)),
  }));
  const isKnown = others.every((one) => one.interval.count > 1);
  return {
    claim: "Decay to zero has the least loss, each schedule at its best rate (arXiv 2502.15938)",
    expected: `less validation loss after ${zero.steps} steps than constant and than warmup–stable–decay, by paired seeds`,
    found: others.map(({ name, interval: own }) => `less ${name}: ${formatInterval(own)} nats`).join("; "),
    verdict: !isKnown
      ? "open"
      : others.every((one) => one.interval.high < 0)
        ? "holds"
        : others.some((one) => one.interval.low > 0)
          ? "fails"
          : "open",
    toSettle: settleWithSeeds(others),
  };
}

export const verdicts = (series: readonly Series[]): Verdict[] => [
  falls(series),
  ...series.map(ruleHolds),
  lowest(series),
];
