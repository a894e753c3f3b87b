import { type Estimate, fitSweep, type SweepFit, type SweepRow, softsignOptimum } from "../scaling/index.ts";
import type {
  Experiment,
  ExperimentContext,
  ExperimentReport,
  Paragraph,
  Table,
  Verdict,
} from "./experiment.ts";
import { closedSoftsign } from "./laws/closedForms.ts";
import { type BatchOptimum, fallBeyondPeak, growthExponent } from "./laws/growth.ts";
import { type LawPlan, lawPlans, smallEpsilon } from "./laws/lawSettings.ts";
import { LawTrials } from "./laws/lawTrials.ts";
import {
  formComparisons,
  lawComparisons,
  type MeasuredSteps,
  measureSteps,
  stepsOf,
} from "./laws/measureSteps.ts";
import type { LawOptimizer } from "./laws/optimizers.ts";
import { type Comparison, describeComparisons, judge } from "./laws/predictions.ts";
import { atBatch, confidence, type RunOptima, runOptima, usable } from "./laws/runOptima.ts";
import { rowsForFit } from "./laws/runSweep.ts";
import { formatEstimate, formatRate } from "./laws/showNumbers.ts";
import type { Plot } from "./plot.ts";

/** The aim: predictions within this factor. */
const aim = 1.5;
const sgd: LawOptimizer = { kind: "sgd" };
const softsignOf = (epsilon: number): LawOptimizer => ({ kind: "softsign", epsilon });
/** Batch sizes up to this one are small: far below B_simple of both tasks. */
const smallBatch = 4;
/** Batch sizes from this one on are large. */
const largeBatch = 256;

interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly steps: MeasuredSteps;
  /** Adam's whole runs, one sweep per ε. */
  readonly runs: readonly { readonly epsilon: number; readonly sweep: RunOptima }[];
}

async function measureTask(
  setting: LawPlan["settings"][number],
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const { batchSizes, epsilons } = plan.epsilonRuns;
  const runs = [];
  for (const epsilon of epsilons) {
    const sweep = await runOptima(trials, { kind: "adam", epsilon }, { ...plan, batchSizes }, setting.seeds);
    runs.push({ epsilon, sweep });
  }
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  return { task: setting.task, unit, steps, runs };
}

/** Tried optima of one step, by batch size, where it surely descends. */
function triedOptima(steps: MeasuredSteps, optimizer: LawOptimizer): BatchOptimum[] {
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law, trial, interior } }) =>
    interior && law !== null ? [{ batchSize, optimum: trial }] : [],
  );
}

const runOptimaOf = ({ fit }: RunOptima): BatchOptimum[] =>
  usable(fit.optima).map((optimum) => ({ batchSize: optimum.batchSize, optimum }));

const smallOnes = (optima: readonly BatchOptimum[]) =>
  growthExponent(optima.filter(({ batchSize }) => batchSize <= smallBatch));

const largeOnes = (optima: readonly BatchOptimum[]) =>
  growthExponent(optima.filter(({ batchSize }) => batchSize >= largeBatch));

/** `E[φ̃ᵀHφ̃]`, which follows from both numbers of the law: twice ΔL* over the square of η*. */
function measuredCurvature(steps: MeasuredSteps, optimizer: LawOptimizer, batchSize: number): number | null {
  const found = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)?.optimum;
  return found == null || found.law === null || found.lawDecrease === null
    ? null
    : (2 * found.lawDecrease.value) / found.law.value ** 2;
}

/** η*(ε)/ε beside η* of SGD. */
function sgdComparisons(steps: MeasuredSteps, epsilon: number): Comparison[] {
  const reference = triedOptima(steps, sgd);
  return triedOptima(steps, softsignOf(epsilon)).flatMap(({ batchSize, optimum }) => {
    const measured = reference.find((row) => row.batchSize === batchSize)?.optimum;
    const scaled = {
      value: optimum.value / epsilon,
      low: optimum.low / epsilon,
      high: optimum.high / epsilon,
    };
    return measured === undefined
      ? []
      : [{ label: atBatch(batchSize), predicted: scaled.value, range: scaled, measured }];
  });
}

/** Fits the law of ε to the runs of every other ε and predicts the others. */
function heldOutEpsilons({ runs }: TaskResult): { comparisons: Comparison[]; fit: SweepFit | null } {
  const rows = (list: TaskResult["runs"]): SweepRow[] =>
    list.flatMap(({ epsilon, sweep }) => rowsForFit(sweep.rows).map((row) => ({ ...row, epsilon })));
  const fitted = runs.filter((_, i) => i % 2 === 0);
  if (fitted.length < 2) return { comparisons: [], fit: null };
  const fit = fitSweep(rows(fitted), { confidence });
  const { epsilonLaw } = fit;
  return {
    fit,
    comparisons:
      epsilonLaw === null
        ? []
        : runs
            .filter((_, i) => i % 2 === 1)
            .flatMap(({ epsilon, sweep }) =>
              usable(sweep.fit.optima).map((measured) => ({
                label: `ε ${epsilon}, ${atBatch(measured.batchSize)}`,
                predicted: epsilonLaw.predict(measured.batchSize, epsilon),
                measured,
              })),
            ),
  };
}

const exponentText = (exponent: { value: number; low: number; high: number } | null) =>
  exponent === null
    ? "unknown"
    : `${exponent.value.toFixed(2)} (${exponent.low.toFixed(2)} – ${exponent.high.toFixed(2)})`;

function verdicts(results: readonly TaskResult[], plan: LawPlan): Verdict[] {
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
      verdict: nearZero(exponents.map(({ small }) => small && shifted(small, 0.5))),
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
      verdict: nearZero(exponents.map(({ large, sgd: other }) => large && other && difference(large, other))),
    },
    {
      claim: `At ε ${largest} η*/ε is the best learning rate of SGD (Su-10563)`,
      expected: `within ${aim}× at every batch size`,
      found: perTask(({ steps }) => describeComparisons(sgdComparisons(steps, largest))),
      verdict: all(({ steps }) => sgdComparisons(steps, largest)),
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
    },
    {
      claim: "The general law, measured, at every ε",
      expected: `one step within ${aim}× at every batch size`,
      found: perTask((result) => describeComparisons(general(result))),
      verdict: all(general),
    },
    {
      claim: "The mean field of Su-10563 with κ² = tr Σ/(|g|² + nε²)",
      expected: `one step within ${aim}× at every batch size and ε`,
      found: perTask((result) => describeComparisons(meanField(result))),
      verdict: all(meanField),
    },
    {
      claim: `The law of ε and B, fitted to runs of Adam at every other ε, predicts the others (${plan.steps} steps)`,
      expected: `within ${aim}× at every batch size`,
      found: perTask((result) => describeComparisons(heldOutEpsilons(result).comparisons)),
      verdict: all((result) => heldOutEpsilons(result).comparisons),
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

/** Whether differences of exponents are within 0.1 of 0: `fails` if an interval lies beyond, `open` if one is wide. */
function nearZero(differences: readonly (Estimate | null)[]): Verdict["verdict"] {
  const near = 0.1;
  if (differences.some((found) => found !== null && (found.low > near || found.high < -near))) return "fails";
  return differences.every(
    (found) => found !== null && Math.abs(found.value) <= near && found.high - found.low <= 4 * near,
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

function stepTable({ task, unit, steps }: TaskResult, plan: LawPlan): Table {
  const shown = [...plan.epsilons.map(softsignOf), sgd];
  return {
    kind: "table",
    title: `One step with softsign: ${task} (B in ${unit}). Tried η* (interval), the law's over it; last column SGD`,
    columns: ["B", ...plan.epsilons.map((epsilon) => `ε ${epsilon}`), "SGD"],
    rows: steps.results.map(({ batchSize }) => [
      String(batchSize),
      ...shown.map((optimizer) => {
        const found = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum;
        if (!found.interior) return "outside of those tried";
        const ratio = found.law === null ? "" : `; ${(found.law.value / found.trial.value).toFixed(2)}`;
        return `${formatEstimate(found.trial)}${ratio}`;
      }),
    ]),
  };
}

function curvatureTable(results: readonly TaskResult[], plan: LawPlan): Table {
  const [first, last] = [plan.stepBatchSizes[0]!, plan.stepBatchSizes.at(-1)!];
  return {
    kind: "table",
    title: `Why there is a surge or not: the mean field says that E[φ̃ᵀHφ̃] goes from about D·E[φ̃²] at small B to Q at large B`,
    columns: [
      "task",
      "ε",
      "Q = νᵀHν",
      "Q/D",
      `E[φ̃ᵀHφ̃] at B = ${first}`,
      "the mean field's",
      `E[φ̃ᵀHφ̃] at B = ${last}`,
      "the mean field's",
      `exponent of η* for B ≤ ${smallBatch}`,
      `for B ≥ ${largeBatch}`,
      "of runs of Adam, all B",
    ],
    rows: results.flatMap(({ task, steps, runs }) =>
      plan.epsilons.map((epsilon) => {
        const law = closedSoftsign(steps.statistics, epsilon);
        const run = runs.find((row) => row.epsilon === epsilon);
        const curvature = (batchSize: number) => {
          const measured = measuredCurvature(steps, softsignOf(epsilon), batchSize);
          return measured === null ? "none" : formatRate(measured);
        };
        const field = (batchSize: number) => {
          if (law === null) return "none";
          const { learningRate, lossDecrease } = softsignOptimum(law, batchSize);
          return formatRate((2 * lossDecrease) / learningRate ** 2);
        };
        return [
          task,
          String(epsilon),
          law === null ? "none" : formatRate(law.signalCurvature),
          law === null ? "none" : formatRate(law.signalCurvature / law.diagonalCurvature),
          curvature(first),
          field(first),
          curvature(last),
          field(last),
          exponentText(smallOnes(triedOptima(steps, softsignOf(epsilon)))),
          exponentText(largeOnes(triedOptima(steps, softsignOf(epsilon)))),
          run === undefined ? "not run" : exponentText(growthExponent(runOptimaOf(run.sweep))),
        ];
      }),
    ),
  };
}

function runTable({ task, unit, runs }: TaskResult, plan: LawPlan): Table {
  return {
    kind: "table",
    title: `Runs of Adam of ${plan.steps} steps: ${task} (B in ${unit}). The best learning rate (interval), the loss there`,
    columns: ["B", ...runs.map(({ epsilon }) => `ε ${epsilon}`)],
    rows: plan.epsilonRuns.batchSizes.map((batchSize) => [
      String(batchSize),
      ...runs.map(({ sweep }) => {
        const optimum = sweep.fit.optima.find((row) => row.batchSize === batchSize);
        if (optimum === undefined) return "diverged";
        const { kind, loss, tried } = optimum;
        if (kind === "above" || kind === "below")
          return `${kind} ${formatRate(tried[kind === "above" ? 1 : 0])}?`;
        return kind === "unresolved"
          ? "unresolved"
          : `${formatEstimate(optimum)}, ${Math.exp(loss).toFixed(3)}`;
      }),
    ]),
  };
}

function plotsOf(result: TaskResult, plan: LawPlan): Plot[] {
  const { task, unit, steps, runs } = result;
  const points = (optima: readonly BatchOptimum[]) =>
    optima.map(({ batchSize, optimum: { value, low, high } }) => ({ x: batchSize, y: value, low, high }));
  const x = { label: `batch size, ${unit}`, scale: "log" as const };
  const y = { label: "learning rate", scale: "log" as const };
  const shownBatches = plan.stepBatchSizes.filter((_, i) => i % 2 === 0);
  return [
    {
      kind: "plot",
      file: `${task}-step`,
      title: `One step with softsign, the best learning rate: ${task}`,
      x,
      y,
      series: plan.epsilons.map((epsilon) => ({
        name: `ε ${epsilon}`,
        points: points(triedOptima(steps, softsignOf(epsilon))),
      })),
    },
    {
      kind: "plot",
      file: `${task}-epsilon`,
      title: `The same by ε: ${task}`,
      x: { label: "ε", scale: "log" },
      y,
      series: shownBatches.map((batchSize) => ({
        name: atBatch(batchSize),
        points: plan.epsilons.flatMap((epsilon) =>
          triedOptima(steps, softsignOf(epsilon))
            .filter((row) => row.batchSize === batchSize)
            .map(({ optimum: { value, low, high } }) => ({ x: epsilon, y: value, low, high })),
        ),
      })),
    },
    {
      kind: "plot",
      file: `${task}-runs`,
      title: `Runs of Adam of ${plan.steps} steps, the best learning rate: ${task}`,
      x,
      y,
      series: runs.map(({ epsilon, sweep }) => ({
        name: `ε ${epsilon}`,
        points: points(runOptimaOf(sweep)),
      })),
    },
  ];
}

function method(plan: LawPlan): Paragraph {
  const { checkpoint } = plan.settings[0]!;
  return {
    kind: "text",
    text: [
      "**How.** Tasks, checkpoint, trials and intervals are those of [batch-size](../batch-size/README.md), and trials that both need are the same.",
      `One step: softsign(g̃_B, ε) from the checkpoint (${checkpoint.steps} steps of Adam), what Su-10563 puts in place of Adam; ε is in units of the gradient's elements.`,
      `Whole runs: Adam itself (b1 0.9, b2 0.999) with this ε, ${plan.steps} steps at a constant learning rate from the initial parameters; the law doesn't speak of them.`,
      "A surge is a fall of η* beyond a peak with intervals that lie apart. Exponents are slopes of log η* over log B, weighted by the intervals' widths.",
    ].join(" "),
  };
}

const experiment: Experiment = {
  name: "epsilon",
  title: "Adam's ε between sign updates and SGD",
  sources: ["Su-10563", "Su-10542"],
  sharesTrialsWith: ["batch-size", "data-efficiency"],
  async run(context): Promise<ExperimentReport> {
    const plan = lawPlans[context.size];
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    const all = verdicts(results, plan);
    const exponents = results
      .map(
        ({ task, steps }) =>
          `${task} ${exponentText(smallOnes(triedOptima(steps, softsignOf(smallEpsilon))))} at ε ${smallEpsilon} and ${exponentText(smallOnes(triedOptima(steps, softsignOf(plan.epsilons.at(-1)!))))} at ε ${plan.epsilons.at(-1)}`,
      )
      .join(", ");
    const count = (verdict: Verdict["verdict"]) => all.filter((row) => row.verdict === verdict).length;
    return {
      summary: `How the best learning rate of one step grows with small batch sizes, as an exponent: ${exponents}. ${count("holds")} claims hold, ${count("fails")} fail, ${count("open")} stay open.`,
      verdicts: all,
      sections: [
        method(plan),
        ...results.map((result) => stepTable(result, plan)),
        curvatureTable(results, plan),
        ...results.map((result) => runTable(result, plan)),
        ...results.flatMap((result) => plotsOf(result, plan)),
      ],
    };
  },
};

export default experiment;
