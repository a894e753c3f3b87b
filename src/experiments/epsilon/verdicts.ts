import { type Estimate, softsignOptimum } from "../../scaling/index.ts";
import type { Verdict } from "../experiment.ts";
import { closedSoftsign } from "../laws/closedForms.ts";
import { fallBeyondPeak } from "../laws/growth.ts";
import type { LawPlan } from "../laws/lawSettings.ts";
import { formComparisons, lawComparisons } from "../laws/measureSteps.ts";
import { type Comparison, describeComparisons, judge } from "../laws/predictions.ts";
import { formatRate } from "../laws/showNumbers.ts";
import { settleComparisons } from "../toSettle.ts";
import {
  exponentText,
  heldOutEpsilons,
  runOptimaOf,
  sgdComparisons,
  smallBatch,
  smallOnes,
  triedOptima,
} from "./results.ts";
import { sgd, softsignOf, type TaskResult } from "./trials.ts";

/** The aim: predictions within this factor. */
const aim = 1.5;

export function verdicts(results: readonly TaskResult[], plan: LawPlan): Verdict[] {
  const [smallest, largest] = [plan.epsilons[0]!, plan.epsilons.at(-1)!];
  const perTask = (text: (result: TaskResult) => string) =>
    results.map((result) => `${result.task}: ${text(result)}`).join("; ");
  const exponents = results.map(({ steps }) => ({
    small: smallOnes(triedOptima(steps, softsignOf(smallest))),
    large: smallOnes(triedOptima(steps, softsignOf(largest))),
    sgd: smallOnes(triedOptima(steps, sgd)),
  }));
  const falls = results.map(({ steps }) =>
    plan.epsilons.map((epsilon) => ({
      epsilon,
      fall: fallBeyondPeak(triedOptima(steps, softsignOf(epsilon))),
      surge: closedSoftsign(steps.statistics, epsilon)?.surge ?? false,
    })),
  );
  const runFalls = results.map(({ runs }) =>
    runs.map(({ epsilon, sweep }) => ({ epsilon, fall: fallBeyondPeak(runOptimaOf(sweep)) })),
  );
  const ratios = results.map(({ steps: { statistics } }) =>
    plan.epsilons.map((epsilon) => {
      const law = closedSoftsign(statistics, epsilon);
      return law === null ? Number.NaN : law.signalCurvature / law.diagonalCurvature;
    }),
  );
  const all = (compare: (result: TaskResult) => Comparison[]) => {
    const sets = results.map(compare);
    const verdict = judge(sets.flat(), aim);
    return verdict === "holds" && sets.some((set) => set.length === 0) ? ("open" as const) : verdict;
  };
  const settled = (compare: (result: TaskResult) => Comparison[]) =>
    settleComparisons(results.flatMap(compare), aim);
  const signLike = exponents.map(({ small }) => small && shifted(small, 0.5));
  const sgdLike = exponents.map(({ large, sgd: other }) => large && other && difference(large, other));
  const general = (result: TaskResult) =>
    plan.epsilons.flatMap((epsilon) =>
      lawComparisons(result.steps, softsignOf(epsilon)).map((comparison) => ({
        ...comparison,
        label: `ε ${epsilon}, ${comparison.label}`,
      })),
    );
  const meanField = (result: TaskResult) =>
    plan.epsilons.flatMap((epsilon) => {
      const law = closedSoftsign(result.steps.statistics, epsilon);
      return formComparisons(
        result.steps,
        softsignOf(epsilon),
        law && ((batchSize) => softsignOptimum(law, batchSize).learningRate),
      ).map((comparison) => ({ ...comparison, label: `ε ${epsilon}, ${comparison.label}` }));
    });
  const predictedSurges = falls.map((rows) => rows.filter(({ surge }) => surge));
  const sureFalls = falls.map((rows) => rows.filter(({ fall }) => fall?.sure === true));
  return [
    {
      claim: `ε → 0 is sign-like: η* ∝ √B at small batch sizes (one step, ε ${smallest}, B ≤ ${smallBatch})`,
      expected: "exponent 0.5 ± 0.1, with an interval of at most ± 0.2",
      found: results.map(({ task }, i) => `${task}: ${exponentText(exponents[i]!.small)}`).join("; "),
      verdict: nearZero(signLike),
      toSettle: settleExponents(signLike),
    },
    {
      claim: `ε → ∞ is SGD-like: η* grows with B as SGD's does (one step, ε ${largest}, B ≤ ${smallBatch})`,
      expected: "the exponent of SGD at the same batch sizes ± 0.1, with an interval of at most ± 0.2",
      found: results
        .map(
          ({ task }, i) =>
            `${task}: ${exponentText(exponents[i]!.large)}, SGD ${exponentText(exponents[i]!.sgd)}`,
        )
        .join("; "),
      verdict: nearZero(sgdLike),
      toSettle: settleExponents(sgdLike),
    },
    {
      claim: `At ε ${largest} η*/ε is the best learning rate of SGD (Su-10563)`,
      expected: `within ${aim}× at every batch size`,
      found: perTask(({ steps }) => describeComparisons(sgdComparisons(steps, largest))),
      verdict: all(({ steps }) => sgdComparisons(steps, largest)),
      toSettle: settled(({ steps }) => sgdComparisons(steps, largest)),
    },
    {
      claim: "A larger ε makes a surge rarer: Q/D falls with ε (Q = νᵀHν, D = tr H)",
      expected:
        "Q/D falls from each ε to the next by 5 % or stays; at the largest it is below 2, where the law has no surge",
      found: results
        .map(
          ({ task }, i) =>
            `${task}: ${ratios[i]!.map((ratio) => formatRate(ratio)).join(", ")} for ε ${plan.epsilons.join(", ")}`,
        )
        .join("; "),
      verdict: ratios.flat().some((ratio) => !Number.isFinite(ratio))
        ? "open"
        : ratios.every((row) => row.every((ratio, i) => i === 0 || ratio <= 1.05 * row[i - 1]!))
          ? ratios.every((row) => row.at(-1)! < 2)
            ? "holds"
            : "open"
          : "fails",
      toSettle: ratios.flat().some((ratio) => !Number.isFinite(ratio))
        ? "More batches for the sums at the checkpoint where one of them isn't surely above 0."
        : "An ε that is larger still, until Q/D is below 2.",
    },
    {
      claim:
        "Where Q > 2D, η* of one step peaks and falls with B: the surge (mean field, Su-10542, Su-10563)",
      expected: "beyond a peak η* falls, intervals apart, wherever the measured Q/D says so",
      found: falls
        .map((rows, i) => {
          const { task, unit } = results[i]!;
          const predicted = predictedSurges[i]!;
          const seen = sureFalls[i]!;
          const law = closedSoftsign(results[i]!.steps.statistics, smallest);
          return `${task}: predicted for ε ${predicted.map(({ epsilon }) => epsilon).join(", ") || "none"}${law?.surge === true ? ` (at ε ${smallest} with the peak at ${law.peakBatchSize.toFixed(1)} ${unit})` : ""}; seen for ε ${seen.map(({ epsilon }) => epsilon).join(", ") || "none"}; largest η* at ${rows.map(({ fall }) => (fall === null ? "?" : fall.peak.batchSize)).join(", ")}`;
        })
        .join("; "),
      verdict: predictedSurges.every((rows) => rows.length === 0)
        ? "open"
        : predictedSurges.every((rows) => rows.every(({ fall }) => fall?.sure === true))
          ? "holds"
          : "fails",
    },
    {
      claim: "The surge disappears as ε grows",
      expected: "a fall at the smallest ε, none at the largest, of one step or of whole runs",
      found: results
        .map(({ task }, i) => {
          const step = sureFalls[i]!.map(({ epsilon }) => epsilon).join(", ") || "none";
          const run = runFalls[i]!.filter(({ fall }) => fall?.sure === true);
          return `${task}: falls for ε ${step} (one step), ${run.map(({ epsilon, fall }) => `${epsilon}: from ${formatRate(fall!.peak.optimum.value)} at B = ${fall!.peak.batchSize} to ${formatRate(fall!.last.optimum.value)}`).join(", ") || "none"} (runs of Adam)`;
        })
        .join("; "),
      verdict: surgeDisappears(
        [
          ...sureFalls.map((rows) => rows.map(({ epsilon }) => epsilon)),
          ...runFalls.map((rows) =>
            rows.filter(({ fall }) => fall?.sure === true).map(({ epsilon }) => epsilon),
          ),
        ],
        smallest,
        largest,
      ),
      toSettle: `A task with a surge at ε ${smallest} that is larger than the intervals of η*: none was seen here.`,
    },
    {
      claim: "The general law, measured, at every ε",
      expected: `one step within ${aim}× at every batch size`,
      found: perTask((result) => describeComparisons(general(result))),
      verdict: all(general),
      toSettle: settled(general),
    },
    {
      claim: "The mean field of Su-10563 with κ² = tr Σ/(|g|² + nε²)",
      expected: `one step within ${aim}× at every batch size and ε`,
      found: perTask((result) => describeComparisons(meanField(result))),
      verdict: all(meanField),
      toSettle: settled(meanField),
    },
    {
      claim: `The law of ε and B, fitted to runs of Adam at every other ε, predicts the others (${plan.steps} steps)`,
      expected: `within ${aim}× at every batch size`,
      found: perTask((result) => describeComparisons(heldOutEpsilons(result).comparisons)),
      verdict: all((result) => heldOutEpsilons(result).comparisons),
      toSettle: settled((result) => heldOutEpsilons(result).comparisons),
    },
  ];
}

const shifted = ({ value, low, high }: Estimate, by: number): Estimate => ({
  value: value - by,
  low: low - by,
  high: high - by,
});

/** Of independent estimates. */
function difference(a: Estimate, b: Estimate): Estimate {
  const half = Math.hypot(a.high - a.low, b.high - b.low) / 2;
  const value = a.value - b.value;
  return { value, low: value - half, high: value + half };
}

/** How near exponents are to be, and how wide an interval may be on each side. */
const [near, widest] = [0.1, 0.2];

/** What intervals of exponents lack, as a multiple of the batches of each step. */
function settleExponents(differences: readonly (Estimate | null)[]): string {
  if (differences.some((found) => found === null))
    return "An exponent where there is none: learning rates of one step that surely descends at two batch sizes.";
  const halves = differences.map((found) => (found!.high - found!.low) / 2);
  const off = differences.map((found) => Math.max(0, Math.abs(found!.value) - near));
  // Narrow enough, or so narrow that what was found would lie beyond.
  const times = halves.map((half, i) => (half / (off[i]! > 0 ? off[i]! : widest)) ** 2);
  return `${Math.ceil(Math.max(...times))} times as many batches for each step's best learning rate: then the hardest interval would lie on one side of ± ${near}, if what was found is true.`;
}

/** Whether differences of exponents are within 0.1 of 0: `fails` if an interval lies beyond, `open` if one is wide. */
function nearZero(differences: readonly (Estimate | null)[]): Verdict["verdict"] {
  if (differences.some((found) => found !== null && (found.low > near || found.high < -near))) return "fails";
  return differences.every(
    (found) => found !== null && Math.abs(found.value) <= near && found.high - found.low <= 2 * widest,
  )
    ? "holds"
    : "open";
}

/** Falls by ε, of several measurements: a surge at the smallest that isn't there at the largest; `open` where none was seen. */
function surgeDisappears(
  falls: readonly (readonly number[])[],
  smallest: number,
  largest: number,
): Verdict["verdict"] {
  if (falls.some((epsilons) => epsilons.includes(largest))) return "fails";
  return falls.some((epsilons) => epsilons.includes(smallest)) ? "holds" : "open";
}
