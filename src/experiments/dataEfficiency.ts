import { stepsAndSamples } from "../scaling/index.ts";
import type {
  Experiment,
  ExperimentContext,
  ExperimentReport,
  Paragraph,
  Table,
  Verdict,
} from "./experiment.ts";
import { closedSgd, closedSign, simpleScale } from "./laws/closedForms.ts";
import { type LawPlan, lawPlans, type PlannedSetting, smallEpsilon } from "./laws/lawSettings.ts";
import type { LawStatistics } from "./laws/lawStatistics.ts";
import { LawTrials } from "./laws/lawTrials.ts";
import { type MeasuredSteps, measureSteps, stepsOf } from "./laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "./laws/optimizers.ts";
import {
  type Comparison,
  describeComparisons,
  factorBetween,
  judge,
  showFactor,
} from "./laws/predictions.ts";
import { atBatch, searchStart } from "./laws/runOptima.ts";
import { formatEstimate, formatRate } from "./laws/showNumbers.ts";
import {
  type FittedTradeOff,
  fewestSteps,
  patience,
  type StepsAtBatch,
  tradeOffOf,
} from "./laws/tradeOff.ts";
import type { Plot } from "./plot.ts";

const sgd: LawOptimizer = { kind: "sgd" };
const sign: LawOptimizer = { kind: "sign" };
const adam: LawOptimizer = { kind: "adam", epsilon: smallEpsilon };
const optimizers = [sgd, sign, adam] as const;
/** The hyperbola holds if its steps are within this factor of those measured. */
const hyperbolaAim = 1.25;
/** Noise scales are compared as orders of magnitude. */
const scaleAim = 2;

interface OptimizerResult {
  readonly optimizer: LawOptimizer;
  readonly measured: readonly StepsAtBatch[];
  readonly fit: FittedTradeOff | null;
}

interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly target: number;
  readonly batchSizes: readonly number[];
  readonly optimizers: readonly OptimizerResult[];
  /** On the way of the checkpoint's run. */
  readonly path: readonly { readonly steps: number; readonly statistics: LawStatistics & { loss: number } }[];
  readonly steps: MeasuredSteps;
}

async function measureTask(
  setting: PlannedSetting,
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const { seeds, maxSteps, repetitions } = plan.targets;
  const path = [];
  for (const at of setting.checkpoints) {
    trials.note(`noise scale after ${at} steps`);
    const statistics = await trials.statistics(
      { epsilons: [0], repetitions },
      { ...setting.checkpoint, steps: at },
    );
    path.push({ steps: at, statistics });
  }
  const results: OptimizerResult[] = [];
  for (const optimizer of optimizers) {
    trials.note(`${optimizerName(optimizer)}: steps to a loss of ${setting.target}`);
    const measured = await fewestSteps({
      batchSizes: setting.targetBatchSizes,
      seeds,
      maxSteps,
      start: searchStart(optimizer),
      target: setting.target,
      run: (run) => trials.stepsToLoss({ ...run, optimizer, target: setting.target }),
    });
    await trials.forgetSteps();
    results.push({ optimizer, measured, fit: tradeOffOf(measured) });
  }
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  const { target, targetBatchSizes: batchSizes } = setting;
  return { task: setting.task, unit, target, batchSizes, optimizers: results, path, steps };
}

/** The critical batch size that a checkpoint's sums give an optimizer: B_noise of SGD, B_noise2 of the mean field for the others. */
function closedScale(statistics: LawStatistics, { kind }: LawOptimizer): number | null {
  return kind === "sgd"
    ? (closedSgd(statistics)?.noiseScale ?? null)
    : (closedSign(statistics)?.criticalBatchSize ?? null);
}

/** The critical batch size that the general law gives: `1/ΔL*(B)` is to be a line in `1/B`, as the steps are. */
function generalScale({ steps }: TaskResult, optimizer: LawOptimizer): FittedTradeOff | null {
  return tradeOffOf(
    stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { lawDecrease, law } }) =>
      lawDecrease === null || !(lawDecrease.low > 0) || law === null
        ? []
        : [
            {
              batchSize,
              steps: {
                value: 1 / lawDecrease.value,
                low: 1 / lawDecrease.high,
                high: 1 / lawDecrease.low,
              },
              learningRate: law.value,
              interior: true,
            },
          ],
    ),
  );
}

/** Places on the path where the loss is still above the target. */
const onTheWay = ({ path, target }: TaskResult) => path.filter(({ statistics }) => statistics.loss > target);

/** Mean over the path of logarithms; null if one can't be computed. */
function typicalScale(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null && value > 0 && Number.isFinite(value)) as number[];
  if (known.length === 0 || known.length < values.length) return null;
  return Math.exp(known.reduce((sum, value) => sum + Math.log(value), 0) / known.length);
}

function hyperbolaComparisons({ measured, fit }: OptimizerResult): Comparison[] {
  return fit === null
    ? []
    : measured.map(({ batchSize, steps }) => ({
        label: atBatch(batchSize),
        predicted: stepsAndSamples(fit, batchSize).steps,
        measured: steps,
      }));
}

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
  };
}

function verdicts(results: readonly TaskResult[]): Verdict[] {
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

function stepsTable({ task, unit, target, batchSizes, optimizers: rows }: TaskResult): Table {
  return {
    kind: "table",
    title: `Fewest steps to a loss of ${target}: ${task} (B in ${unit}). S (interval), the hyperbola's, (S/S_min − 1)(E/E_min − 1), the learning rate`,
    columns: ["B", ...rows.map(({ optimizer }) => optimizerName(optimizer))],
    rows: batchSizes.map((batchSize) => [
      String(batchSize),
      ...rows.map(({ measured, fit }) => {
        const found = measured.find((row) => row.batchSize === batchSize);
        if (found === undefined) return "not reached";
        const { steps, learningRate, interior } = found;
        const rate = `${formatRate(learningRate)}${interior ? "" : " (at the edge)"}`;
        if (fit === null) return `${formatEstimate(steps)}; ${rate}`;
        const product = (steps.value / fit.minSteps - 1) * ((steps.value * batchSize) / fit.minSamples - 1);
        return `${formatEstimate(steps)}; ${formatRate(stepsAndSamples(fit, batchSize).steps)}; ${product.toFixed(2)}; ${rate}`;
      }),
    ]),
  };
}

function fitTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "The hyperbola, and noise scales on the way (geometric means) and at the checkpoint",
    columns: [
      "task, optimizer",
      "S_min",
      "E_min",
      "E_min/S_min (interval)",
      "B_simple on the way",
      "B_noise or B_noise2 on the way",
      "general law's ΔL* at the checkpoint",
    ],
    rows: results.flatMap((result) =>
      result.optimizers.map(({ optimizer, fit }) => {
        const way = onTheWay(result).map(({ statistics }) => statistics);
        const show = (value: number | null) => (value === null ? "none" : formatRate(value));
        const general = generalScale(result, optimizer);
        return [
          `${result.task}, ${optimizerName(optimizer)}`,
          show(fit?.minSteps ?? null),
          show(fit?.minSamples ?? null),
          fit === null ? "none" : formatEstimate(fit.critical),
          show(typicalScale(way.map(simpleScale))),
          show(typicalScale(way.map((statistics) => closedScale(statistics, optimizer)))),
          general === null ? "none" : formatEstimate(general.critical),
        ];
      }),
    ),
  };
}

function pathTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "Noise scales on the way of the checkpoint's run (Adam)",
    columns: ["task", "steps", "loss", "B_simple", "B_noise of SGD", "B_noise2 of the mean field"],
    rows: results.flatMap(({ task, path, target }) =>
      path.map(({ steps, statistics }) => {
        const show = (value: number | null) => (value === null ? "none" : formatRate(value));
        return [
          task,
          String(steps),
          `${statistics.loss.toFixed(3)}${statistics.loss > target ? "" : " (below the target)"}`,
          show(simpleScale(statistics)),
          show(closedScale(statistics, sgd)),
          show(closedScale(statistics, sign)),
        ];
      }),
    ),
  };
}

function plotOf({ task, unit, target, optimizers: rows }: TaskResult): Plot {
  return {
    kind: "plot",
    file: `${task}-trade-off`,
    title: `Steps and samples to a loss of ${target}: ${task}`,
    x: { label: `samples, ${unit}`, scale: "log" },
    y: { label: "steps", scale: "log" },
    series: rows.flatMap(({ optimizer, measured, fit }) => [
      {
        name: optimizerName(optimizer),
        kind: "points" as const,
        points: measured.map(({ batchSize, steps: { value, low, high } }) => ({
          x: value * batchSize,
          y: value,
          low,
          high,
        })),
      },
      ...(fit === null
        ? []
        : [
            {
              name: `${optimizerName(optimizer)}, hyperbola`,
              dashed: true,
              points: Array.from({ length: 41 }, (_, i) => {
                const { steps, samples } = stepsAndSamples(fit, 2 * 2 ** (i / 4));
                return { x: samples, y: steps };
              }),
            },
          ]),
    ]),
  };
}

function scalePlot({ task, unit, path }: TaskResult): Plot {
  const series = (name: string, scaleOf: (statistics: LawStatistics) => number | null) => ({
    name,
    points: path.flatMap(({ steps, statistics }) => {
      const y = scaleOf(statistics);
      return y === null ? [] : [{ x: steps, y }];
    }),
  });
  return {
    kind: "plot",
    file: `${task}-noise-scale`,
    title: `Noise scales on the way: ${task}`,
    x: { label: "steps of the checkpoint's run", scale: "log" },
    y: { label: unit, scale: "log" },
    series: [
      series("B_simple", simpleScale),
      series("B_noise of SGD", (statistics) => closedScale(statistics, sgd)),
      series("B_noise2 of the mean field", (statistics) => closedScale(statistics, sign)),
    ],
  };
}

function method(plan: LawPlan): Paragraph {
  const { seeds } = plan.targets;
  return {
    kind: "text",
    text: [
      "**How.** Tasks and checkpoints are those of [batch-size](../batch-size/README.md). A run has a constant learning rate and ends where the expected loss, evaluated every 12th of the steps done, is at most the target; S is on the line between the last two evaluations.",
      `The learning rate is swept by factors of 2 for ${seeds.length} seeds until it is worse on both sides; each seed's fewest steps are the least value of the parabola through the logarithms, S their geometric mean with Student's 90 % interval. A run that takes ${patience} times as long as the best one so far is stopped. SGD and sign updates have no momentum, Adam has b1 0.9, b2 0.999.`,
      "S_min and E_min come from a least-squares fit of S = S_min + E_min/B in relative errors; the interval of their ratio from drawing each S from its interval. Noise scales are measured on the way of a run of Adam, at places where the loss is above the target, and the mean of their logarithms is taken: the hyperbola assumes one noise scale all the way.",
      `The sums behind a noise scale: three independent batches, ${plan.targets.repetitions} times.`,
    ].join(" "),
  };
}

const experiment: Experiment = {
  name: "data-efficiency",
  title: "Steps against samples to a target loss",
  sources: ["McCandlish et al., An empirical model of large-batch training, arXiv 1812.06162", "Su-10542"],
  sharesTrialsWith: ["batch-size", "epsilon"],
  async run(context): Promise<ExperimentReport> {
    const plan = lawPlans[context.size];
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    const misfits = results.flatMap((result) => result.optimizers.flatMap(hyperbolaComparisons));
    const ratios = results
      .flatMap((result) =>
        result.optimizers.map(({ optimizer, fit }) => {
          const simple = typicalScale(onTheWay(result).map(({ statistics }) => simpleScale(statistics)));
          return `${result.task}, ${optimizerName(optimizer)} ${fit === null ? "no trade-off" : formatRate(fit.critical.value)} (B_simple ${simple === null ? "unknown" : formatRate(simple)})`;
        }),
      )
      .join("; ");
    return {
      summary: `The hyperbola misses the measured steps by ${describeComparisons(misfits)}. E_min/S_min: ${ratios}.`,
      verdicts: verdicts(results),
      sections: [
        method(plan),
        fitTable(results),
        pathTable(results),
        ...results.map(stepsTable),
        ...results.flatMap((result) => [plotOf(result), scalePlot(result)]),
      ],
    };
  },
};

export default experiment;
