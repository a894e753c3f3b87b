import type { Verdict } from "../experiment.ts";
import { simpleScale } from "../laws/closedForms.ts";
import { type LawOptimizer, optimizerName } from "../laws/optimizers.ts";
import {
  type Comparison,
  describeComparisons,
  factorBetween,
  judge,
  showFactor,
} from "../laws/predictions.ts";
import { formatEstimate, formatRate } from "../laws/showNumbers.ts";
import { settleComparisons } from "../toSettle.ts";
import { closedScale, generalScale, hyperbolaComparisons, onTheWay, typicalScale } from "./results.ts";
import { adam, optimizers, sgd, sign, type TaskResult } from "./trials.ts";

/** The hyperbola holds if its steps are within this factor of those measured. */
const hyperbolaAim = 1.25;
/** Noise scales are compared as orders of magnitude. */
const scaleAim = 2;

/** A measured noise scale beside E_min/S_min, for all tasks and some optimizers. */
function scaleVerdict(
  claim: string,
  expected: string,
  results: readonly TaskResult[],
  kinds: readonly LawOptimizer[],
  scaleOf: (result: TaskResult, optimizer: LawOptimizer) => number | null,
): Verdict {
  const rows = results.flatMap((result) =>
    kinds.map((optimizer) => {
      const { fit } = result.optimizers.find((row) => row.optimizer === optimizer)!;
      return { result, optimizer, fit, scale: scaleOf(result, optimizer) };
    }),
  );
  const comparisons = rows.flatMap(({ result, optimizer, fit, scale }): Comparison[] =>
    fit === null || scale === null
      ? []
      : [
          {
            label: `${result.task}, ${optimizerName(optimizer)}`,
            predicted: scale,
            measured: fit.critical,
          },
        ],
  );
  const verdict = judge(comparisons, scaleAim);
  return {
    claim,
    expected,
    found: rows
      .map(({ result, optimizer, fit, scale }) => {
        const ratio =
          fit === null || scale === null ? "" : ` (${showFactor(factorBetween(scale, fit.critical.value))})`;
        return `${result.task}, ${optimizerName(optimizer)}: ${fit === null ? "no trade-off" : formatEstimate(fit.critical)} against ${scale === null ? "none" : formatRate(scale)}${ratio}`;
      })
      .join("; "),
    verdict: verdict === "holds" && comparisons.length < rows.length ? "open" : verdict,
    toSettle: settleComparisons(comparisons, scaleAim),
  };
}

export function verdicts(results: readonly TaskResult[]): Verdict[] {
  const hyperbolas = results.flatMap((result) =>
    result.optimizers.map((row) => ({
      name: `${result.task}, ${optimizerName(row.optimizer)}`,
      comparisons: hyperbolaComparisons(row),
    })),
  );
  const fitted = judge(
    hyperbolas.flatMap(({ comparisons }) => comparisons),
    hyperbolaAim,
  );
  return [
    {
      claim:
        "Steps and samples to a target loss follow (S/S_min − 1)(E/E_min − 1) = 1 (arXiv 1812.06162; Su-10542)",
      expected: `S = S_min + E_min/B within ${hyperbolaAim}× at every batch size`,
      found: hyperbolas
        .map(({ name, comparisons }) => `${name}: ${describeComparisons(comparisons)}`)
        .join("; "),
      verdict:
        fitted === "holds" && hyperbolas.some(({ comparisons }) => comparisons.length === 0)
          ? "open"
          : fitted,
    },
    scaleVerdict(
      "E_min/S_min is B_noise = tr ΣH/gᵀHg of SGD, averaged over the way",
      `within ${scaleAim}×`,
      results,
      [sgd],
      (result, optimizer) =>
        typicalScale(onTheWay(result).map(({ statistics }) => closedScale(statistics, optimizer))),
    ),
    scaleVerdict(
      "E_min/S_min is B_simple = tr Σ/gᵀg, which needs no Hessian",
      `within ${scaleAim}×`,
      results,
      [...optimizers],
      (result) => typicalScale(onTheWay(result).map(({ statistics }) => simpleScale(statistics))),
    ),
    scaleVerdict(
      "E_min/S_min of sign updates and Adam is B_noise2 = πκ²D/(2(D + O)) of the mean field",
      `within ${scaleAim}×`,
      results,
      [sign, adam],
      (result, optimizer) =>
        typicalScale(onTheWay(result).map(({ statistics }) => closedScale(statistics, optimizer))),
    ),
    scaleVerdict(
      "E_min/S_min is what the general law's ΔL*(B) at one checkpoint gives",
      `within ${scaleAim}×`,
      results,
      [...optimizers],
      (result, optimizer) => generalScale(result, optimizer)?.critical.value ?? null,
    ),
  ];
}
