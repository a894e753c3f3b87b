import type { Verdict } from "../experiment.ts";
import { type Comparison, describeComparisons, judge } from "../laws/predictions.ts";
import { formatInterval, interval } from "../statistics.ts";
import { settleComparisons, settleWithSeeds } from "../toSettle.ts";
import type { Plan } from "./plan.ts";
import { rateOf, type Series } from "./results.ts";

/** A rate is carried well within this factor. */
const aim = 1.3;
/** How far a slope may be from −1 to be near it. */
const near = 0.3;

export const nameOf = ({ optimizer, parametrization, axis }: Series) =>
  `${optimizer}, ${parametrization}, over ${axis.name}`;

/** The rate of the smallest size, taken for all others. */
export function carriedRates({ optima, axis }: Series): Comparison[] {
  const base = rateOf(optima[0]!);
  return optima.slice(1).map((optimum) => ({
    label: `${axis.name} ${optimum.size}`,
    predicted: base.value,
    range: base,
    measured: rateOf(optimum),
  }));
}

/** What the carried rate costs in loss at the largest size, by seeds. */
export function price({ optima }: Series) {
  const { carriedLosses, bestLosses } = optima.at(-1)!;
  return interval(carriedLosses.map((loss, i) => loss - bestLosses[i]!));
}

/** What the carried rate costs more than under the other, by seeds. */
function costDifference(own: Series, other: Series) {
  const costs = [own, other].map(({ optima }) => {
    const { carriedLosses, bestLosses } = optima.at(-1)!;
    return carriedLosses.map((loss, i) => loss - bestLosses[i]!);
  });
  return interval(costs[0]!.map((cost, i) => cost - costs[1]![i]!));
}

/** Losses at the largest size, each at its own best rate, and the difference of the pairs. */
export function lossBeside(own: Series, standard: Series): string {
  const { size, bestLosses } = own.optima.at(-1)!;
  const others = standard.optima.at(-1)!.bestLosses;
  const difference = interval(bestLosses.map((loss, i) => loss - others[i]!));
  const side =
    difference.count < 2 || (difference.low <= 0 && difference.high >= 0)
      ? "no clear difference"
      : difference.mean > 0
        ? "more"
        : "less";
  return `at ${own.axis.name} ${size}, each at its best rate, ${formatInterval(interval(bestLosses))} nats against ${formatInterval(interval(others))} of the standard parametrization: ${formatInterval(difference)}, ${side}`;
}

function movesWithWidth(series: Series): Verdict {
  const { low, high, mean, count } = series.slope;
  const isNear = Math.abs(mean + 1) <= near;
  const isSurelyNot = count > 1 && (low > -1 + near || high < -1 - near);
  return {
    claim: `${series.optimizer}, standard parametrization: the best learning rate goes as 1/width (arXiv 2203.03466)`,
    expected: `a slope within ${near} of −1`,
    found: `slope ${formatInterval(series.slope, 2)}; carried from the smallest: ${describeComparisons(carriedRates(series))}`,
    verdict: isNear && count > 1 ? "holds" : isSurelyNot ? "fails" : "open",
    toSettle: settleWithSeeds([{ interval: series.slope, bound: mean < -1 ? -1 - near : -1 + near }]),
  };
}

function stays(series: Series): Verdict {
  const comparisons = carriedRates(series);
  return {
    claim: `${nameOf(series)}: the best learning rate of the smallest size is that of the others`,
    expected: `within ${aim}×`,
    found: `${describeComparisons(comparisons)}; slope ${formatInterval(series.slope, 2)}`,
    verdict: series.slope.count < 2 ? "open" : judge(comparisons, aim),
    toSettle: series.slope.count < 2 ? "A second seed." : settleComparisons(comparisons, aim),
  };
}

function costsLess(own: Series, standard: Series): Verdict {
  const [a, b] = [price(own), price(standard)];
  const shown = (one: typeof a) =>
    Number.isFinite(one.mean) ? `${formatInterval(one)} nats` : "a run that diverges";
  return {
    claim: `${nameOf(own)}: a learning rate carried to the largest size loses less than under the standard parametrization`,
    expected: "less validation loss above the best there",
    found: `${shown(a)}, against ${shown(b)}. Price in loss: ${lossBeside(own, standard)}`,
    verdict: a.count < 2 ? "open" : a.high < b.low ? "holds" : a.low > b.high ? "fails" : "open",
    toSettle: settleWithSeeds([{ interval: costDifference(own, standard) }]),
  };
}

export function verdicts(results: readonly Series[], _plan: Plan): Verdict[] {
  return results.flatMap((series) => {
    const { optimizer, parametrization, axis } = series;
    if (parametrization === "standard")
      return optimizer === "adamw" && axis.name === "width" ? [movesWithWidth(series)] : [stays(series)];
    const standard = results.find(
      (other) => other.axis === axis && other.optimizer === optimizer && other.parametrization === "standard",
    );
    return [stays(series), ...(standard === undefined ? [] : [costsLess(series, standard)])];
  });
}
