import { linearRule, type SweepOptimum, sgdOptimum, signOptimum, squareRootRule } from "../scaling/index.ts";
import type {
  Experiment,
  ExperimentContext,
  ExperimentReport,
  Paragraph,
  Table,
  Verdict,
} from "./experiment.ts";
import { closedSgd, closedSign, simpleScale } from "./laws/closedForms.ts";
import { type HorizonOptimum, horizonOptima } from "./laws/horizons.ts";
import { type LawPlan, largeEpsilon, lawPlans, smallEpsilon } from "./laws/lawSettings.ts";
import { LawTrials } from "./laws/lawTrials.ts";
import type { MeasuredLaw } from "./laws/measuredLaw.ts";
import {
  formComparisons,
  lawComparisons,
  type MeasuredSteps,
  measureSteps,
  stepsOf,
} from "./laws/measureSteps.ts";
import { type LawOptimizer, optimizerName } from "./laws/optimizers.ts";
import {
  anchored,
  type Comparison,
  describeComparisons,
  factorBetween,
  judge,
  showFactor,
  typicalFactor,
} from "./laws/predictions.ts";
import { atBatch, predictHeldOut, type RunOptima, runOptima, usable } from "./laws/runOptima.ts";
import { formatEstimate, formatMean, formatRate } from "./laws/showNumbers.ts";
import type { Plot } from "./plot.ts";

/** The aim: predictions within this factor. */
const aim = 1.5;

const sgd: LawOptimizer = { kind: "sgd" };
const sign: LawOptimizer = { kind: "sign" };
const adam: LawOptimizer = { kind: "adam", epsilon: smallEpsilon };
const softsign: LawOptimizer = { kind: "softsign", epsilon: largeEpsilon };
const muon: LawOptimizer = { kind: "muon" };
/** Optimizers of whole runs. */
const runOptimizers = [sgd, adam, softsign, muon] as const;

/** Optimizers whose step is compared. */
const stepOptimizers = [sgd, sign, adam, softsign, muon] as const;

/** What was measured on one task. */
interface TaskResult {
  readonly task: string;
  readonly unit: string;
  readonly steps: MeasuredSteps;
  /** What `measureCheckpoint` says of the step of each optimizer. */
  readonly laws: ReadonlyMap<LawOptimizer, MeasuredLaw>;
  readonly horizons: readonly HorizonResult[];
  readonly runs: readonly RunOptima[];
}

/** Best learning rates of the next steps from the checkpoint. */
interface HorizonResult {
  readonly optimizer: LawOptimizer;
  readonly batchSize: number;
  readonly optima: readonly HorizonOptimum[];
}

/** Optimizers without a state, whose steps from the checkpoint begin as they go on. */
const horizonOptimizers = [sgd, sign] as const;

async function measureHorizons(
  trials: LawTrials,
  steps: MeasuredSteps,
  { horizons: { steps: horizons, batchSizes, repetitions } }: LawPlan,
): Promise<HorizonResult[]> {
  const results: HorizonResult[] = [];
  for (const optimizer of horizonOptimizers) {
    trials.note(`${optimizerName(optimizer)}: the next ${horizons.join(", ")} steps from the checkpoint`);
    for (const batchSize of batchSizes) {
      const known = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum.trial.value;
      const optima = await horizonOptima({
        horizons,
        repetitions,
        start: Math.round(Math.log2(known)),
        run: (learningRate) =>
          trials.horizonLosses({ optimizer, batchSize, learningRate, horizons, repetitions }),
      });
      results.push({ optimizer, batchSize, optima });
    }
    await trials.forgetSteps();
  }
  return results;
}

/** The best learning rate of one step beside that of the next ones, for one number of steps. */
function horizonComparisons({ task, steps, horizons }: TaskResult, count: number): Comparison[] {
  return horizons.flatMap(({ optimizer, batchSize, optima }) => {
    const one = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum.trial;
    const found = optima.find((row) => row.steps === count)!;
    return found.interior
      ? [
          {
            label: `${task}, ${optimizerName(optimizer)}, ${atBatch(batchSize)}`,
            predicted: one.value,
            range: one,
            measured: found.optimum,
          },
        ]
      : [];
  });
}

async function measureTask(
  setting: LawPlan["settings"][number],
  plan: LawPlan,
  context: ExperimentContext,
): Promise<TaskResult> {
  await using trials = new LawTrials(setting, context);
  const steps = await measureSteps(trials, plan, setting.repetitions);
  const laws = new Map<LawOptimizer, MeasuredLaw>();
  trials.note("measureCheckpoint");
  for (const optimizer of stepOptimizers) {
    const { stepBatchSizes: batchSizes, measurement } = plan;
    laws.set(optimizer, await trials.measuredLaw(optimizer, { batchSizes, ...measurement }));
  }
  const horizons = await measureHorizons(trials, steps, plan);
  const runs = [];
  for (const optimizer of runOptimizers) runs.push(await runOptima(trials, optimizer, plan, setting.seeds));
  const unit = setting.task === "books" ? `sequences of ${setting.size.length ?? 16} bytes` : "images";
  return { task: setting.task, unit, steps, laws, horizons, runs };
}

/** What `measureCheckpoint` says beside the trial of one step, where that surely descends. */
function measurementComparisons({ steps, laws }: TaskResult, optimizer: LawOptimizer): Comparison[] {
  return stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { law: exists, trial, interior } }) => {
    const law = laws.get(optimizer)!.optima.find((row) => row.batchSize === batchSize)?.learningRate;
    return law == null || exists === null || !interior
      ? []
      : [{ label: atBatch(batchSize), predicted: law.value, range: law, measured: trial }];
  });
}

/** The law of the checkpoint beside the optima of whole runs. */
function runComparisons({ steps }: TaskResult, { optimizer, fit }: RunOptima): Comparison[] {
  const laws = stepsOf(steps, optimizer);
  return usable(fit.optima).flatMap((measured) => {
    const law = laws.find(({ batchSize }) => batchSize === measured.batchSize)?.optimum.law;
    return law == null
      ? []
      : [{ label: atBatch(measured.batchSize), predicted: law.value, range: law, measured }];
  });
}

interface Split {
  readonly name: string;
  readonly fitted: readonly number[];
  readonly heldOut: readonly number[];
}

function splitsOf({ batchSizes }: LawPlan): Split[] {
  const half = Math.ceil(batchSizes.length / 2);
  return [
    {
      name: "every other",
      fitted: batchSizes.filter((_, i) => i % 2 === 0),
      heldOut: batchSizes.filter((_, i) => i % 2 === 1),
    },
    { name: "small → large", fitted: batchSizes.slice(0, half), heldOut: batchSizes.slice(half) },
    { name: "large → small", fitted: batchSizes.slice(-half), heldOut: batchSizes.slice(0, -half) },
  ];
}

/** The batch size at which a user has tuned, in the middle. */
const anchorOf = ({ batchSizes }: LawPlan) => batchSizes[Math.floor(batchSizes.length / 2)]!;

/** Rules of thumb from the optimum of the middle batch size. */
function ruleComparisons(optima: readonly SweepOptimum[], plan: LawPlan): Record<string, Comparison[]> {
  const anchor = usable(optima).find(({ batchSize }) => batchSize === anchorOf(plan));
  if (anchor === undefined) return {};
  const reference = { learningRate: anchor.value, batchSize: anchor.batchSize };
  const rules = {
    constant: () => reference.learningRate,
    "√B": (batchSize: number) => squareRootRule(reference, batchSize),
    B: (batchSize: number) => linearRule(reference, batchSize),
  };
  return Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [
      name,
      usable(optima)
        .filter((optimum) => optimum !== anchor)
        .map((measured) => ({
          label: atBatch(measured.batchSize),
          predicted: rule(measured.batchSize),
          measured,
        })),
    ]),
  );
}

/** A verdict over several sets of comparisons: each has to hold. */
function verdictOver(
  claim: string,
  expected: string,
  sets: readonly { readonly name: string; readonly comparisons: readonly Comparison[] }[],
): Verdict {
  const all = sets.flatMap(({ comparisons }) => comparisons);
  const missing = sets.some(({ comparisons }) => comparisons.length === 0);
  const verdict = judge(all, aim);
  return {
    claim,
    expected,
    found: sets.map(({ name, comparisons }) => `${name}: ${describeComparisons(comparisons)}`).join("; "),
    verdict: verdict === "holds" && missing ? "open" : verdict,
  };
}

/** Where the measured alignment or curvature isn't surely positive, in words. */
function withoutPrediction(results: readonly TaskResult[]): string {
  const places = results.flatMap(({ task, steps }) =>
    stepOptimizers.flatMap((optimizer) => {
      const batchSizes = stepsOf(steps, optimizer)
        .filter(({ optimum: { law } }) => law === null)
        .map(({ batchSize }) => batchSize);
      return batchSizes.length === 0
        ? []
        : [`${task}, ${optimizerName(optimizer)}, B = ${batchSizes.join(", ")}`];
    }),
  );
  return places.length === 0 ? "" : `no step that surely descends, so no prediction: ${places.join("; ")}`;
}

function verdicts(results: readonly TaskResult[], plan: LawPlan): Verdict[] {
  const perOptimizer = (
    optimizers: readonly LawOptimizer[],
    compare: (r: TaskResult, o: LawOptimizer) => Comparison[],
  ) =>
    results.flatMap((result) =>
      optimizers.map((optimizer) => ({
        name: `${result.task}, ${optimizerName(optimizer)}`,
        comparisons: compare(result, optimizer),
      })),
    );
  const perRun = (compare: (result: TaskResult, run: RunOptima) => Comparison[]) =>
    results.flatMap((result) =>
      result.runs.map((run) => ({
        name: `${result.task}, ${optimizerName(run.optimizer)}`,
        comparisons: compare(result, run),
      })),
    );
  const decreases = ({ steps }: TaskResult, optimizer: LawOptimizer) =>
    stepsOf(steps, optimizer).flatMap(({ batchSize, optimum: { lawDecrease, trialDecrease, interior } }) =>
      lawDecrease === null || !interior
        ? []
        : [
            {
              label: atBatch(batchSize),
              predicted: lawDecrease.value,
              range: lawDecrease,
              measured: trialDecrease,
            },
          ],
    );
  const anchor = atBatch(anchorOf(plan));
  const [interpolation, upwards] = splitsOf(plan) as [Split, Split, Split];
  const within = `within ${aim}× at every batch size`;
  const general = verdictOver(
    "One step: η* = E[φ̃]ᵀg/E[φ̃ᵀHφ̃], measured at a checkpoint, is the learning rate that lowers the loss most (Su-10542)",
    within,
    perOptimizer(stepOptimizers, ({ steps }, optimizer) => lawComparisons(steps, optimizer)),
  );
  const without = withoutPrediction(results);
  return [
    without === "" ? general : { ...general, found: `${general.found}; ${without}` },
    verdictOver(
      `The same from one set of ${plan.measurement.samples} samples for all batch sizes, as \`rotor measure\` does it`,
      within,
      perOptimizer(stepOptimizers, measurementComparisons),
    ),
    verdictOver(
      "One step: ΔL* = (E[φ̃]ᵀg)²/(2E[φ̃ᵀHφ̃]) is what it gains",
      within,
      perOptimizer(stepOptimizers, decreases),
    ),
    verdictOver(
      "One step of SGD: η_max/(1 + B_noise/B) with three measured sums (arXiv 1812.06162)",
      within,
      results.map((result) => {
        const law = closedSgd(result.steps.statistics);
        return {
          name: result.task,
          comparisons: formComparisons(
            result.steps,
            sgd,
            law && ((batchSize) => sgdOptimum(law, batchSize).learningRate),
          ),
        };
      }),
    ),
    verdictOver(
      "One step of sign updates: the mean field with κ² = B_simple (Su-10542)",
      within,
      results.map((result) => {
        const law = closedSign(result.steps.statistics);
        return {
          name: result.task,
          comparisons: formComparisons(
            result.steps,
            sign,
            law && ((batchSize) => signOptimum(law, batchSize).learningRate),
          ),
        };
      }),
    ),
    verdictOver(
      "What is best for one step is the best constant learning rate of the steps after it (SGD, sign)",
      `within ${aim}× for the next ${plan.horizons.steps.join(", ")} steps`,
      plan.horizons.steps.map((count) => ({
        name: `${count} steps`,
        comparisons: results.flatMap((result) => horizonComparisons(result, count)),
      })),
    ),
    verdictOver(
      `One checkpoint's law is the best constant learning rate of a run of ${plan.steps} steps`,
      within,
      perRun(runComparisons),
    ),
    verdictOver(
      `The same, scaled by one constant so that it is right at ${anchor}: how η* changes with B`,
      `within ${aim}× at the other batch sizes`,
      perRun((result, run) => anchored(runComparisons(result, run), anchor)),
    ),
    verdictOver(
      "Laws fitted to runs of every other batch size predict those between",
      `within ${aim}× at ${interpolation.heldOut.join(", ")}`,
      perRun((_, { rows }) => predictHeldOut(rows, interpolation.fitted, interpolation.heldOut).comparisons),
    ),
    verdictOver(
      "Laws fitted to runs of the smaller half predict the larger batch sizes",
      `within ${aim}× at ${upwards.heldOut.join(", ")}`,
      perRun((_, { rows }) => predictHeldOut(rows, upwards.fitted, upwards.heldOut).comparisons),
    ),
  ];
}

function stepTable({ task, unit, steps, laws }: TaskResult): Table {
  const shown = stepOptimizers;
  return {
    kind: "table",
    title: `One step from the checkpoint: ${task} (B in ${unit}). The law's η*, that of \`measureCheckpoint\` → the one that lowers the loss most (interval), ratio of the first to it`,
    columns: ["B", ...shown.map(optimizerName)],
    rows: steps.results.map(({ batchSize }) => [
      String(batchSize),
      ...shown.map((optimizer) => {
        const { law, trial, interior } = stepsOf(steps, optimizer).find(
          (row) => row.batchSize === batchSize,
        )!.optimum;
        const predicted = law === null ? "none" : formatRate(law.value);
        const found = interior ? formatEstimate(trial) : "outside of those tried";
        const ratio = law === null || !interior ? "" : `: ${(law.value / trial.value).toFixed(2)}`;
        const other = laws.get(optimizer)!.optima.find((row) => row.batchSize === batchSize)?.learningRate;
        return `${predicted}, ${other == null ? "none" : formatRate(other.value)} → ${found}${ratio}`;
      }),
    ]),
  };
}

function statisticsTable(results: readonly TaskResult[]): Table {
  return {
    kind: "table",
    title: "At the checkpoint (± standard error); noise is that of one sample",
    columns: [
      "task",
      "parameters",
      "loss",
      "gᵀg",
      "tr Σ",
      "gᵀHg",
      "tr ΣH",
      "tr H",
      "sᵀg",
      "sᵀHs",
      "B_simple",
      "B_noise of SGD",
      "β_noise",
      "peak of sign updates",
    ],
    rows: results.map(({ task, steps: { statistics } }) => {
      const [forSgd, forSign] = [closedSgd(statistics), closedSign(statistics)];
      const { alignment, curvature } = statistics.soft.find(({ epsilon }) => epsilon === 0)!;
      const simple = simpleScale(statistics);
      return [
        task,
        String(statistics.numParameters),
        statistics.loss.toFixed(3),
        formatMean(statistics.squaredGradient),
        formatMean(statistics.noise),
        formatMean(statistics.gradientCurvature),
        formatMean(statistics.noiseCurvature),
        formatMean(statistics.trace),
        formatMean(alignment),
        formatMean(curvature),
        simple === null ? "none" : simple.toFixed(0),
        forSgd === null ? "none" : forSgd.noiseScale.toFixed(0),
        forSign === null ? "none" : Number.isFinite(forSign.betaNoise) ? forSign.betaNoise.toFixed(3) : "∞",
        forSign === null ? "none" : forSign.surge ? `B = ${forSign.peakBatchSize.toFixed(1)}` : "no surge",
      ];
    }),
  };
}

function horizonTable(results: readonly TaskResult[], plan: LawPlan): Table {
  return {
    kind: "table",
    title:
      "How far one step reaches: best constant learning rates of the next steps from the checkpoint (interval)",
    columns: [
      "task, optimizer",
      "B",
      "law, 1 step",
      "1 step",
      ...plan.horizons.steps.map((n) => `${n} steps`),
    ],
    rows: results.flatMap(({ task, steps, horizons }) =>
      horizons.map(({ optimizer, batchSize, optima }) => {
        const { law, trial } = stepsOf(steps, optimizer).find((row) => row.batchSize === batchSize)!.optimum;
        return [
          `${task}, ${optimizerName(optimizer)}`,
          String(batchSize),
          law === null ? "none" : formatRate(law.value),
          formatEstimate(trial),
          ...optima.map(({ optimum, interior }) =>
            interior ? formatEstimate(optimum) : `${formatRate(optimum.value)}, at the edge`,
          ),
        ];
      }),
    ),
  };
}

/** `0.012 (0.010 – 0.015)`, or the bound that an optimum at the edge is. */
function describeOptimum({ kind, value, low, high, tried }: SweepOptimum): string {
  if (kind === "above") return `above ${formatRate(tried[1])}?`;
  if (kind === "below") return `below ${formatRate(tried[0])}?`;
  return kind === "unresolved" ? "unresolved" : formatEstimate({ value, low, high });
}

function runTable(result: TaskResult, plan: LawPlan): Table {
  return {
    kind: "table",
    title: `Runs of ${plan.steps} steps: ${result.task} (B in ${result.unit}). The best learning rate (interval), the loss there, and the checkpoint's law over it`,
    columns: ["B", ...result.runs.map(({ optimizer }) => optimizerName(optimizer))],
    rows: plan.batchSizes.map((batchSize) => [
      String(batchSize),
      ...result.runs.map(({ optimizer, fit }) => {
        const optimum = fit.optima.find((row) => row.batchSize === batchSize);
        if (optimum === undefined) return "diverged";
        const law = stepsOf(result.steps, optimizer).find((row) => row.batchSize === batchSize)?.optimum.law;
        const ratio = law == null ? "" : `; ${(law.value / optimum.value).toFixed(2)}`;
        return `${describeOptimum(optimum)}, ${Math.exp(optimum.loss).toFixed(3)}${ratio}`;
      }),
    ]),
  };
}

function heldOutTable(results: readonly TaskResult[], plan: LawPlan): Table {
  const splits = splitsOf(plan);
  const anchor = atBatch(anchorOf(plan));
  const shown = (comparisons: readonly Comparison[]) =>
    comparisons.length === 0
      ? "none"
      : `${showFactor(typicalFactor(comparisons))}, ${showFactor(Math.max(...comparisons.map(({ predicted, measured }) => factorBetween(predicted, measured.value))))}`;
  return {
    kind: "table",
    title: `Errors of predictions of the best learning rate of runs: typical factor, worst factor. Fits: batch sizes that no law has seen; the others know the optimum at ${anchor}`,
    columns: [
      "task, optimizer",
      ...splits.map(({ name }) => `fit, ${name} (law)`),
      "checkpoint's law",
      "constant",
      "√B",
      "B",
    ],
    rows: results.flatMap((result) =>
      result.runs.map((run) => {
        const rules = ruleComparisons(run.fit.optima, plan);
        return [
          `${result.task}, ${optimizerName(run.optimizer)}`,
          ...splits.map(({ fitted, heldOut }) => {
            const { comparisons, law } = predictHeldOut(run.rows, fitted, heldOut);
            return `${shown(comparisons)} (${law})`;
          }),
          shown(anchored(runComparisons(result, run), anchor)),
          ...["constant", "√B", "B"].map((name) => shown(rules[name] ?? [])),
        ];
      }),
    ),
  };
}

function plotOf(result: TaskResult, { optimizer, fit }: RunOptima, plan: LawPlan): Plot {
  const steps = stepsOf(result.steps, optimizer);
  const { statistics } = result.steps;
  const [forSgd, forSign] = [closedSgd(statistics), closedSign(statistics)];
  const form =
    optimizer.kind === "sgd"
      ? forSgd && ((batchSize: number) => sgdOptimum(forSgd, batchSize).learningRate)
      : optimizer.kind === "adam"
        ? forSign && ((batchSize: number) => signOptimum(forSign, batchSize).learningRate)
        : null;
  const points = (
    rows: readonly { batchSize: number; estimate: { value: number; low: number; high: number } }[],
  ) => rows.map(({ batchSize, estimate: { value, low, high } }) => ({ x: batchSize, y: value, low, high }));
  return {
    kind: "plot",
    file: `${result.task}-${optimizer.kind}`,
    title: `Best learning rate of ${optimizerName(optimizer)}: ${result.task}`,
    x: { label: `batch size, ${result.unit}`, scale: "log" },
    y: { label: "learning rate", scale: "log" },
    series: [
      {
        name: "one step, tried",
        kind: "points",
        points: points(
          steps
            .filter(({ optimum }) => optimum.interior)
            .map(({ batchSize, optimum }) => ({ batchSize, estimate: optimum.trial })),
        ),
      },
      {
        name: "one step, general law",
        points: steps.flatMap(({ batchSize, optimum: { law } }) =>
          law === null ? [] : [{ x: batchSize, y: law.value }],
        ),
      },
      {
        name: `runs of ${plan.steps} steps`,
        kind: "points",
        points: points(
          usable(fit.optima).map((optimum) => ({ batchSize: optimum.batchSize, estimate: optimum })),
        ),
      },
      {
        name: "fit to the runs",
        points: fit.predictions
          .filter(({ extrapolation }) => extrapolation === 1)
          .map(({ batchSize, value }) => ({ x: batchSize, y: value })),
      },
      ...(form === null
        ? []
        : [
            {
              name: optimizer.kind === "sgd" ? "one step, SGD's law" : "one step, mean field of sign",
              dashed: true,
              points: plan.stepBatchSizes.map((x) => ({ x, y: form(x) })),
            },
          ]),
    ],
  };
}

function method(plan: LawPlan, results: readonly TaskResult[]): Paragraph {
  const [first] = plan.settings;
  const { checkpoint } = first!;
  return {
    kind: "text",
    text: [
      `**How.** Tasks: ${plan.settings.map(({ task, size }) => (task === "books" ? `next bytes of the shipped books by a transformer of one block, width ${size.modelDim} (B counts sequences of ${size.length ?? 16} bytes)` : `digits of MNIST by a perceptron with two hidden layers of ${size.modelDim} (B counts images, drawn with replacement; the loss is that of the training set, which is the expected loss there)`)).join("; ")}. ${results.map(({ task, steps }) => `${task}: ${steps.statistics.numParameters} parameters`).join(", ")}.`,
      `The law speaks of **one step from a given state**. State: after ${checkpoint.steps} steps of Adam with batches of ${checkpoint.batchSize}. Predicted: both expectations from batches of size B and independent batches for gradient and Hessian. Tried: other batches of size B, a step of each learning rate on a grid of factors of √2, the mean loss of independent batches after it, the least value of the parabola near its minimum. Intervals: 90 %, from resampling the batches; the law has one of similar width.`,
      `Directions of one step: the batch's gradient (SGD); its sign; softsign with ε ${largeEpsilon}; Adam without momentum whose second moment is that of batches of this size at this place; Muon without momentum, \`msign\` of hidden matrices and the sign of the others, with the scale match-adamw-rms.`,
      `**The next steps**: ${plan.horizons.steps.join(", ")} steps from the same state at a constant learning rate, ${plan.horizons.repetitions} repetitions with other batches, the expected loss after them; learning rates by factors of 2.`,
      `**Whole runs** are another question, which the law doesn't speak of: ${plan.steps} steps from the initial parameters at a constant learning rate, the same number for every B; the loss at the end. Adam has b1 0.9, b2 0.999; Muon momentum 0.95 for hidden matrices, the others Adam (0.9, 0.95), one learning rate for both; SGD and softsign have no momentum. Learning rates are powers of 2 until two worse ones were seen on both sides, with 2 to 8 seeds, whose common differences are taken out; optimum and 90 % interval by the curve fit of \`rotor fit\` to the logarithms of the losses, whose noise is about the same share of them everywhere. Held-out optima come from runs of the held-out batch sizes alone.`,
      "A factor is max(predicted/measured, measured/predicted); the typical one is the root mean square of its logarithm. A claim fails if a prediction is off by more than the aim from the whole interval of what was measured.",
    ].join(" "),
  };
}

const experiment: Experiment = {
  name: "batch-size",
  title: "The best learning rate by batch size, predicted and measured",
  sources: [
    "Su-10542",
    "McCandlish et al., An empirical model of large-batch training, arXiv 1812.06162",
    "Su-10563",
  ],
  sharesTrialsWith: ["epsilon", "data-efficiency"],
  async run(context): Promise<ExperimentReport> {
    const plan = lawPlans[context.size];
    const results: TaskResult[] = [];
    for (const setting of plan.settings) results.push(await measureTask(setting, plan, context));
    const all = verdicts(results, plan);
    const stepComparisons = results.flatMap(({ steps }) =>
      stepOptimizers.flatMap((optimizer) => lawComparisons(steps, optimizer)),
    );
    const runs = results.flatMap((result) => result.runs.flatMap((run) => runComparisons(result, run)));
    const [interpolation] = splitsOf(plan);
    const heldOut = results.flatMap(({ runs: list }) =>
      list.flatMap(
        ({ rows }) => predictHeldOut(rows, interpolation!.fitted, interpolation!.heldOut).comparisons,
      ),
    );
    return {
      summary: `From one checkpoint the general law predicts the best learning rate of one step: ${describeComparisons(stepComparisons)}. Taken for the best constant learning rate of a whole run it is off by ${describeComparisons(runs)}. Laws fitted to runs of every other batch size predict those between: ${describeComparisons(heldOut)}.`,
      verdicts: all,
      sections: [
        method(plan, results),
        statisticsTable(results),
        ...results.map(stepTable),
        horizonTable(results, plan),
        ...results.map((result) => runTable(result, plan)),
        heldOutTable(results, plan),
        ...results.flatMap((result) => result.runs.map((run) => plotOf(result, run, plan))),
      ],
    };
  },
};

export default experiment;
