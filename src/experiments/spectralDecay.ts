import { mean, median } from "simple-statistics";
import { spectrum } from "../spectral/index.ts";
import { flattenState, openConfiguredData, parseLanguageConfig } from "../train/index.ts";
import type {
  Experiment,
  ExperimentContext,
  ExperimentReport,
  Paragraph,
  Table,
  Verdict,
} from "./experiment.ts";
import { finalLoss } from "./learningRateSweep.ts";
import type { Plot } from "./plot.ts";
import { formatInterval, type Interval, interval } from "./statistics.ts";
import {
  hiddenMatrices,
  openTrial,
  type TrainTrial,
  type TrainTrialResult,
  type TrialConfig,
} from "./trainTrial.ts";
import { TrialPool } from "./trialPool.ts";

type DecayKind = "Frobenius" | "spectral" | "top-4" | "spectral, ones";
type DecayOptions = NonNullable<Extract<TrialConfig["optimizer"], { kind: "adamw" }>["matrixDecay"]>;

const decays: Readonly<Record<DecayKind, (strength: number) => DecayOptions>> = {
  Frobenius: (strength) => ({ kind: "frobenius", strength }),
  spectral: (strength) => ({ kind: "spectral", strength }),
  "top-4": (strength) => ({ kind: "top-k", strength, k: 4 }),
  "spectral, ones": (strength) => ({ kind: "spectral", strength, start: "ones", steps: 10 }),
};

interface Plan {
  readonly model: TrialConfig["model"];
  readonly source: string;
  readonly learningRate: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly evalBatches: number;
  readonly seeds: readonly number[];
  readonly strengths: Readonly<Record<DecayKind, readonly number[]>>;
  /** Of the comparison of power iterations. */
  readonly estimateStrength: number;
  /** Power steps per update from the last vectors, of which the first is the default. */
  readonly estimateSteps: readonly number[];
  /** Steps between spectra. */
  readonly spectraEvery: number;
}

const plans: Readonly<Record<ExperimentContext["size"], Plan>> = {
  full: {
    model: { numLayers: 2, modelDim: 64, numHeads: 2, maxLength: 64 },
    source: "books",
    learningRate: 0.003,
    steps: 200,
    batchSize: 16,
    length: 64,
    evalBatches: 16,
    seeds: [1, 2, 3],
    strengths: {
      Frobenius: [0.3, 1, 3, 10],
      spectral: [1, 3, 10, 30, 100],
      "top-4": [1, 3, 10, 30],
      "spectral, ones": [3, 10],
    },
    estimateStrength: 10,
    estimateSteps: [1, 2, 5],
    spectraEvery: 40,
  },
  quick: {
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 },
    source: "moby-dick",
    learningRate: 0.01,
    steps: 12,
    batchSize: 4,
    length: 16,
    evalBatches: 2,
    seeds: [1],
    strengths: { Frobenius: [10], spectral: [10], "top-4": [10], "spectral, ones": [10] },
    estimateStrength: 10,
    estimateSteps: [1],
    spectraEvery: 6,
  },
};

function trialOf(plan: Plan, decay: DecayOptions | undefined, seed: number): TrainTrial {
  const { steps, spectraEvery } = plan;
  return {
    config: {
      model: plan.model,
      data: { source: plan.source },
      optimizer: {
        kind: "adamw",
        learningRate: plan.learningRate,
        b1: 0.9,
        b2: 0.95,
        eps: 1e-10,
        weightDecay: 0,
        ...(decay === undefined ? {} : { matrixDecay: decay }),
      },
      schedule: {
        kind: "warmup-stable-decay",
        warmupSteps: Math.round(0.05 * steps),
        decaySteps: Math.round(0.4 * steps),
      },
      training: {
        steps,
        batchSize: plan.batchSize,
        length: plan.length,
        evalBatches: plan.evalBatches,
        seed,
      },
    },
    spectraAt: Array.from({ length: Math.floor(steps / spectraEvery) + 1 }, (_, i) => i * spectraEvery),
  };
}

/** Results of one kind at one strength, in the order of the seeds. */
interface DecayPoint {
  readonly strength: number;
  readonly results: readonly TrainTrialResult[];
}

/** What is read off a run. */
interface Measures {
  readonly loss: number;
  /** `σ₁`, mean over the hidden matrices. */
  readonly spectralNorm: number;
  /** `√(‖W‖_F² − σ₁²)` of the mean norms: the size of all other singular values. */
  readonly rest: number;
  /** Mean share of the full rank. */
  readonly stableRank: number;
}

/** Means over the hidden matrices. */
function measuresAt(result: TrainTrialResult, index: number): Measures {
  const matrices = Object.values(result.spectra.at(index)?.matrices ?? {});
  const over = (name: keyof (typeof matrices)[number]) => mean(matrices.map((matrix) => matrix[name]));
  const [spectralNorm, frobeniusNorm] = [over("spectralNorm"), over("frobeniusNorm")];
  return {
    loss: finalLoss(result),
    spectralNorm,
    rest: Math.sqrt(frobeniusNorm ** 2 - spectralNorm ** 2),
    stableRank: over("stableRank"),
  };
}

/**
 * A run as it would have been with the strength that gives a chosen `σ₁`: linear in `ln σ₁` between the two strengths around it.
 *
 * @param runs - of one seed, by ascending strength, so by falling `σ₁`
 * @returns null if no two strengths lie around it
 */
export function matchSpectralNorm<M extends Readonly<Record<string, number>> & { spectralNorm: number }>(
  runs: readonly M[],
  spectralNorm: number,
): M | null {
  for (let i = 1; i < runs.length; i++) {
    const [a, b] = [runs[i - 1]!, runs[i]!];
    if (a.spectralNorm < spectralNorm || b.spectralNorm > spectralNorm) continue;
    const share =
      a.spectralNorm === b.spectralNorm
        ? 0
        : Math.log(a.spectralNorm / spectralNorm) / Math.log(a.spectralNorm / b.spectralNorm);
    const between = Object.entries(a).map(([name, value]) => [name, value + share * (b[name]! - value)]);
    return { ...Object.fromEntries(between), spectralNorm };
  }
  return null;
}

/** Relative errors of estimates of `σ₁`, one per matrix and measured step. */
interface EstimateErrors {
  /** Of the vectors that the decay used: a warm start. */
  readonly warm: readonly number[];
  /** All-ones start, 10 steps. */
  readonly ones: readonly number[];
  /** All-ones start, one step. */
  readonly onesOneStep: readonly number[];
  /** `σ₂/σ₁`, which decides how fast power iteration converges. */
  readonly gap: readonly number[];
}

/** `‖Wv‖` for `v` scaled to length 1, in float64. */
export function stretch(w: ArrayLike<number>, rows: number, columns: number, v: Float64Array): number {
  let [image, length] = [0, 0];
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += w[i * columns + j]! * v[j]!;
    image += sum * sum;
  }
  for (const value of v) length += value * value;
  return Math.sqrt(image / length);
}

/** `v ← WᵀWv` from the all-ones vector, in float64. */
export function iterateOnes(
  w: ArrayLike<number>,
  rows: number,
  columns: number,
  steps: number,
): Float64Array {
  let v = new Float64Array(columns).fill(1);
  for (let step = 0; step < steps; step++) {
    const next = new Float64Array(columns);
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += w[i * columns + j]! * v[j]!;
      for (let j = 0; j < columns; j++) next[j]! += w[i * columns + j]! * sum;
    }
    const length = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0));
    v = next.map((value) => value / length);
  }
  return v;
}

/** A training whose vectors are compared with exact ones. */
const estimateTrial = (plan: Plan, steps: number) =>
  trialOf(plan, { kind: "spectral", strength: plan.estimateStrength, steps }, plan.seeds[0]!);

/** Trains with spectral decay and compares, every few steps, the vectors it used with the exact singular values. */
async function measureEstimates(plan: Plan, steps: number, home: string): Promise<EstimateErrors> {
  const trial = estimateTrial(plan, steps);
  using data = openConfiguredData(parseLanguageConfig(trial.config), home);
  await using run = await openTrial(trial, data, 1);
  const errors = { warm: [], ones: [], onesOneStep: [], gap: [] } as {
    [K in keyof EstimateErrors]: number[];
  };
  const every = Math.max(1, Math.round(plan.steps / 25));
  for (let step = 0; step < plan.steps; step++) {
    const params = flattenState(run.state.leaves().params);
    // A step refines the vectors on the weights before its update.
    const before = new Map(
      step % every > 0
        ? []
        : hiddenMatrices(params).map((path) => [path, Float64Array.from(params.get(path)!.data)]),
    );
    const shapes = new Map([...before.keys()].map((path) => [path, params.get(path)!.shape]));
    await run.step(step);
    const state = [...flattenState(run.state.leaves().optimizer)];
    for (const [path, w] of before) {
      const [rows, columns] = shapes.get(path) as [number, number];
      const [exact, second] = spectrum(w, rows, columns).singularValues as unknown as [number, number];
      const vectors = state.find(([name]) => name.endsWith(`rightSingularVectors.${path}.0`))![1];
      const error = (v: Float64Array) => 1 - stretch(w, rows, columns, v) / exact;
      errors.warm.push(error(Float64Array.from(vectors.data)));
      errors.ones.push(error(iterateOnes(w, rows, columns, 10)));
      errors.onesOneStep.push(error(iterateOnes(w, rows, columns, 1)));
      errors.gap.push(second / exact);
    }
  }
  // Rounding in float32 may leave an estimate a little above the exact value.
  const rounded = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(3)));
  return {
    warm: rounded(errors.warm),
    ones: rounded(errors.ones),
    onesOneStep: rounded(errors.onesOneStep),
    gap: rounded(errors.gap),
  };
}

interface Results {
  readonly none: DecayPoint;
  readonly kinds: Readonly<Record<DecayKind, readonly DecayPoint[]>>;
  /** By power steps of the warm start. */
  readonly estimates: ReadonlyMap<number, EstimateErrors>;
}

const kindNames = Object.keys(decays) as DecayKind[];
/** Those that are compared at matched strength. */
const matchedNames = ["Frobenius", "spectral", "top-4"] as const;

async function measure(plan: Plan, { trials, threads, note }: ExperimentContext): Promise<Results> {
  using pool = new TrialPool(threads);
  const train = (decay: DecayOptions | undefined) =>
    Promise.all(
      plan.seeds.map((seed) => {
        const trial = trialOf(plan, decay, seed);
        return trials.run({ ...trial }, () => pool.run(trial));
      }),
    );
  note("trainings without decay and at each strength of each kind");
  const [none, ...points] = await Promise.all([
    train(undefined).then((results) => ({ strength: 0, results })),
    ...kindNames.map((kind) =>
      Promise.all(
        plan.strengths[kind].map(async (strength) => ({
          strength,
          results: await train(decays[kind](strength)),
        })),
      ),
    ),
  ]);
  note("estimates of the largest singular value beside exact ones");
  const estimates = new Map<number, EstimateErrors>();
  for (const steps of plan.estimateSteps) {
    estimates.set(
      steps,
      await trials.run({ estimates: estimateTrial(plan, steps) }, () =>
        measureEstimates(plan, steps, pool.home),
      ),
    );
  }
  return {
    none,
    kinds: Object.fromEntries(kindNames.map((kind, i) => [kind, points[i]!])) as unknown as Results["kinds"],
    estimates,
  };
}

const losses = ({ results }: DecayPoint) => results.map(finalLoss);
const bestOf = (points: readonly DecayPoint[]) =>
  points.reduce((a, b) => (mean(losses(b)) < mean(losses(a)) ? b : a));
const differences = (a: readonly number[], b: readonly number[]) =>
  interval(a.map((value, i) => value - b[i]!));

/** Half of the σ₁ that training without decay ends with, by seed. */
const halfNorms = ({ none }: Results) => none.results.map((run) => measuresAt(run, -1).spectralNorm / 2);

/** Each seed's run with half the σ₁ of no decay; null if the strengths of the grid don't lie around it. */
function matched(results: Results, kind: DecayKind): readonly Measures[] | null {
  const found = halfNorms(results).map((norm, seed) => {
    const runs = [results.none, ...results.kinds[kind]].map(({ results: runs }) => ({
      ...measuresAt(runs[seed]!, -1),
    }));
    return matchSpectralNorm(runs, norm);
  });
  return found.some((value) => value === null) ? null : (found as Measures[]);
}

/** `holds` if the interval lies above 0, `fails` if below. One value has no interval and decides nothing. */
const above = ({ low, high, count }: Interval): Verdict["verdict"] =>
  count < 2 ? "open" : low > 0 ? "holds" : high < 0 ? "fails" : "open";

function matchedVerdicts(results: Results): Verdict[] {
  const [spectral, frobenius] = [matched(results, "spectral"), matched(results, "Frobenius")];
  const none = results.none.results.map((run) => measuresAt(run, -1));
  const claims = [
    "Spectral decay lowers σ₁ and spares the other singular values (Su-10648)",
    "Spectral decay raises the stable rank, Frobenius decay doesn't",
    "At the same σ₁, spectral decay costs no more loss than Frobenius decay",
  ] as const;
  const expected = [
    "at half the σ₁ of no decay, √(‖W‖_F² − σ₁²) is above that of Frobenius decay",
    "at half the σ₁ of no decay, the stable rank is above that of Frobenius decay and of no decay",
    "at half the σ₁ of no decay, Frobenius' validation loss minus spectral's is above 0",
  ] as const;
  if (spectral === null || frobenius === null) {
    return claims.map((claim, i) => ({
      claim,
      expected: expected[i]!,
      found: "the strengths of the grid don't halve σ₁",
      verdict: "open",
    }));
  }
  const by = (runs: readonly Measures[], name: keyof Measures) => runs.map((run) => run[name]);
  const share = (runs: readonly Measures[]) =>
    formatInterval(interval(runs.map(({ rest }, i) => rest / none[i]!.rest)), 2);
  const rest = differences(by(spectral, "rest"), by(frobenius, "rest"));
  const rank = [frobenius, none].map((other) =>
    differences(by(spectral, "stableRank"), by(other, "stableRank")),
  );
  const loss = differences(by(frobenius, "loss"), by(spectral, "loss"));
  const found: [string, Verdict["verdict"]][] = [
    [`${share(spectral)} of no decay's; with Frobenius decay ${share(frobenius)}`, above(rest)],
    [
      `spectral − Frobenius ${formatInterval(rank[0]!)}, spectral − none ${formatInterval(rank[1]!)} of the full rank`,
      rank.every((value) => above(value) === "holds")
        ? "holds"
        : rank.some((value) => above(value) === "fails")
          ? "fails"
          : "open",
    ],
    [`Frobenius − spectral ${formatInterval(loss)} nats`, above(loss)],
  ];
  return found.map(([text, verdict], i) => ({
    claim: claims[i]!,
    expected: expected[i]!,
    found: text,
    verdict,
  }));
}

function bestVerdict({ none, kinds }: Results): Verdict {
  const spectral = bestOf(kinds.spectral);
  const [toFrobenius, toNone] = [bestOf(kinds.Frobenius), none].map((other) =>
    differences(losses(other), losses(spectral)),
  );
  return {
    claim: "At its best strength, spectral decay ends with less loss than Frobenius decay at its best",
    expected: "the difference of the validation losses is above 0",
    found: `Frobenius − spectral ${formatInterval(toFrobenius!)}, none − spectral ${formatInterval(toNone!)} nats`,
    verdict: above(toFrobenius!),
  };
}

const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;
const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))]!;

function estimateVerdict({ kinds, estimates }: Results): Verdict {
  const { warm, ones } = estimates.get(1)!;
  const [a, b] = [median([...warm]), median([...ones])];
  const pairs = kinds["spectral, ones"].map((point) => {
    const same = kinds.spectral.find(({ strength }) => strength === point.strength)!;
    const norms = ({ results }: DecayPoint) => results.map((run) => measuresAt(run, -1).spectralNorm);
    return `λ = ${point.strength}: loss ${formatInterval(differences(losses(point), losses(same)), 4)} nats, σ₁ at the end ${formatInterval(differences(norms(point), norms(same)), 3)}`;
  });
  return {
    claim: "One power step from the last vectors finds σ₁ as well as 10 steps from all ones",
    expected: "the median error of σ₁ isn't larger",
    found: `median error ${percent(a)} against ${percent(b)}. What it does to the training, all ones minus warm: ${pairs.join("; ")}`,
    verdict: a <= b ? "holds" : "fails",
  };
}

function strengthTable({ none, kinds }: Results): Table {
  const row = (kind: string, { strength, results }: DecayPoint) => {
    const at = results.map((run) => measuresAt(run, -1));
    const cell = (name: keyof Measures, digits: number) =>
      formatInterval(interval(at.map((value) => value[name])), digits);
    return [
      kind,
      strength === 0 ? "" : String(strength),
      cell("loss", 3),
      cell("spectralNorm", 2),
      cell("rest", 2),
      cell("stableRank", 3),
    ];
  };
  return {
    kind: "table",
    title: "After training, means over the hidden matrices",
    columns: ["decay", "λ", "validation loss (nats)", "σ₁", "√(‖W‖_F² − σ₁²)", "stable rank / full"],
    rows: [row("none", none), ...kindNames.flatMap((kind) => kinds[kind].map((point) => row(kind, point)))],
  };
}

function matchedTable(results: Results): Table {
  const cells = (runs: readonly Measures[] | null, name: keyof Measures, digits: number) =>
    runs === null ? "not on the grid" : formatInterval(interval(runs.map((run) => run[name])), digits);
  const none = results.none.results.map((run) => measuresAt(run, -1));
  const rows = [
    ["none", none] as const,
    ...matchedNames.map((kind) => [kind, matched(results, kind)] as const),
  ];
  return {
    kind: "table",
    title: "Matched: the strength that ends with half the σ₁ of no decay, between the values of the grid",
    columns: ["decay", "σ₁", "validation loss (nats)", "√(‖W‖_F² − σ₁²)", "stable rank / full"],
    rows: rows.map(([kind, runs]) => [
      kind,
      cells(runs, "spectralNorm", 2),
      cells(runs, "loss", 3),
      cells(runs, "rest", 2),
      cells(runs, "stableRank", 3),
    ]),
  };
}

function estimateTable({ estimates }: Results): Table {
  const { ones, onesOneStep, gap } = estimates.get(1)!;
  const row = (name: string, values: readonly number[]) => [
    name,
    ...[0.5, 0.95, 1].map((share) => percent(quantile(values, share))),
  ];
  return {
    kind: "table",
    title: `How far ‖Wv‖ is below σ₁ during a training with spectral decay (${gap.length} values; median of σ₂/σ₁: ${median([...gap]).toFixed(2)})`,
    columns: ["power iteration", "median", "95 %", "largest"],
    rows: [
      ...[...estimates].map(([steps, { warm }]) => row(`${steps} from the last vectors`, warm)),
      row("10 from all ones", ones),
      row("1 from all ones", onesOneStep),
    ],
  };
}

function plots(results: Results): Plot[] {
  const { none, kinds } = results;
  const best = [
    ["none", none] as const,
    ...matchedNames.map((kind) => {
      const point = bestOf(kinds[kind]);
      return [`${kind}, λ = ${point.strength}`, point] as const;
    }),
  ];
  const withInterval = (x: number, values: readonly number[]) => {
    if (!values.every(Number.isFinite)) return { x, y: Number.NaN };
    const { mean: y, low, high } = interval(values);
    return { x, y, low, high };
  };
  const over = (name: "spectralNorm" | "stableRank", file: string, title: string, label: string): Plot => ({
    kind: "plot",
    file,
    title,
    x: { label: "step" },
    y: { label },
    series: best.map(([series, { results: runs }]) => ({
      name: series,
      points: runs[0]!.spectra.map(({ step }, i) =>
        withInterval(
          step,
          runs.map((run) => measuresAt(run, i)[name]),
        ),
      ),
    })),
  });
  const against = (
    name: "rest" | "stableRank" | "loss",
    file: string,
    title: string,
    label: string,
  ): Plot => ({
    kind: "plot",
    file,
    title,
    x: { label: "σ₁ at the end" },
    y: { label },
    series: matchedNames.map((kind) => ({
      name: kind,
      points: [none, ...kinds[kind]].map(({ results: runs }) => {
        const at = runs.map((run) => measuresAt(run, -1));
        // Most of the spread of losses is the seed's, which no decay has as well.
        const base = name === "loss" ? losses(none) : none.results.map(() => 0);
        return withInterval(
          mean(at.map(({ spectralNorm }) => spectralNorm)),
          at.map((value, i) => value[name] - base[i]!),
        );
      }),
    })),
  });
  return [
    against(
      "loss",
      "loss-by-norm",
      "Validation loss by the σ₁ that a strength leads to",
      "nats above no decay, same seed",
    ),
    against(
      "stableRank",
      "rank-by-norm",
      "Stable rank by the σ₁ that a strength leads to",
      "share of full rank",
    ),
    over("spectralNorm", "norm", "σ₁ during training, each decay at its best strength", "mean σ₁"),
    over(
      "stableRank",
      "rank",
      "Stable rank during training, each decay at its best strength",
      "share of full rank",
    ),
  ];
}

function method(plan: Plan): Paragraph {
  const { steps, batchSize, length, seeds, source, learningRate } = plan;
  return {
    kind: "text",
    text: [
      `**How.** A byte-level transformer (${plan.model.numLayers} layers, d = ${plan.model.modelDim}) on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens, less than one epoch, so that nothing can be learnt by heart and decay can only help or hinder the optimization. AdamW, peak learning rate ${learningRate}, b1 0.9, b2 0.95, eps 1e-10; warmup for 5 % of the steps, linear decay to 0 over the last 40 %. All decays are decoupled, multiplied by the learning rate, and act on the hidden matrices only. Seeds ${seeds.join(", ")}, the same for all; differences are paired by seed.`,
      "**Matched strengths.** A λ means something else for each kind, so they are compared in two ways: each at its λ with the least validation loss, and at the λ (between those of the grid, linear in ln σ₁) that ends with half the σ₁ of training without decay. The best λ is chosen and judged on the same seeds, which favours kinds with more values on the grid a little. Intervals are 95 %, Student's, over the seeds.",
    ].join("\n\n"),
  };
}

const experiment: Experiment = {
  name: "spectral-decay",
  title: "Spectral weight decay against Frobenius decay, top-4 decay and none",
  sources: ["Su-10648", "Yoshida and Miyato, Spectral norm regularization, arXiv 1705.10941"],
  async run(context): Promise<ExperimentReport> {
    const plan = plans[context.size];
    const results = await measure(plan, context);
    const best = matchedNames.map((kind) => {
      const point = bestOf(results.kinds[kind]);
      return `${kind} ${formatInterval(interval(losses(point)))} (λ = ${point.strength})`;
    });
    return {
      summary: `Validation loss at each decay's best strength, in nats: none ${formatInterval(interval(losses(results.none)))}, ${best.join(", ")}.`,
      verdicts: [...matchedVerdicts(results), bestVerdict(results), estimateVerdict(results)],
      sections: [
        method(plan),
        matchedTable(results),
        strengthTable(results),
        ...plots(results),
        estimateTable(results),
      ],
    };
  },
};

export default experiment;
