import type {
  Experiment,
  ExperimentContext,
  ExperimentReport,
  Paragraph,
  Table,
  Verdict,
} from "./experiment.ts";
import { finalLoss, meanLoss, type Sweep, sweepLearningRate } from "./learningRateSweep.ts";
import type { Plot } from "./plot.ts";
import { formatInterval, type Interval, interval } from "./statistics.ts";
import { type StepTiming, timeSteps } from "./stepTiming.ts";
import { curveParts, type MatrixSpectrum, type TrainTrial, type TrialConfig } from "./trainTrial.ts";
import { TrialPool } from "./trialPool.ts";

interface ModelSize {
  readonly name: string;
  readonly model: TrialConfig["model"];
}

interface Plan {
  readonly sizes: readonly ModelSize[];
  readonly source: string;
  readonly steps: number;
  readonly batchSize: number;
  readonly length: number;
  readonly evalBatches: number;
  readonly seeds: readonly number[];
  readonly adamwExponents: readonly number[];
  readonly muonExponents: readonly number[];
  readonly maxExtensions: number;
  /** Shorter runs of Muon, as shares of `steps`, that show where it reaches AdamW's final loss. */
  readonly horizons: readonly number[];
  readonly timing: { readonly blocks: number; readonly stepsPerBlock: number };
  /** Options of AdamW that aren't swept are tried for the first sizes, as many as this. */
  readonly sizesWithVariants: number;
}

const plans: Readonly<Record<ExperimentContext["size"], Plan>> = {
  full: {
    sizes: [
      { name: "2 layers, d = 64", model: { numLayers: 2, modelDim: 64, numHeads: 2, maxLength: 64 } },
      { name: "4 layers, d = 128", model: { numLayers: 4, modelDim: 128, numHeads: 4, maxLength: 64 } },
    ],
    source: "books",
    steps: 200,
    batchSize: 16,
    length: 64,
    evalBatches: 16,
    seeds: [1, 2, 3],
    adamwExponents: [-1, 0, 1, 2, 3],
    muonExponents: [-2, -1, 0, 1, 2],
    maxExtensions: 4,
    horizons: [0.4, 0.55, 0.7, 0.85],
    timing: { blocks: 6, stepsPerBlock: 9 },
    sizesWithVariants: 1,
  },
  quick: {
    sizes: [{ name: "1 layer, d = 16", model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 } }],
    source: "moby-dick",
    steps: 12,
    batchSize: 4,
    length: 16,
    evalBatches: 2,
    seeds: [1],
    adamwExponents: [2],
    muonExponents: [0, 1],
    maxExtensions: 0,
    horizons: [0.6],
    timing: { blocks: 2, stepsPerBlock: 2 },
    sizesWithVariants: 0,
  },
};

/** The middle of the grids: AdamW's, and Keller Jordan's for Muon. */
const [adamwBase, muonBase] = [0.002, 0.02];
/** The same for AdamW alone and for the part of Muon that is AdamW. */
const adamwOptions = { b1: 0.9, b2: 0.95, eps: 1e-10, weightDecay: 0 };

type OptimizerName = "AdamW" | "Muon" | "Muon, match-adamw-rms";
type OptimizerOptions = TrialConfig["optimizer"];

const optimizers: Readonly<
  Record<OptimizerName, (learningRate: number, adamwRate: number) => OptimizerOptions>
> = {
  AdamW: (learningRate) => ({ kind: "adamw", learningRate, ...adamwOptions }),
  Muon: (learningRate, adamwRate) => ({
    kind: "muon",
    learningRate,
    scale: "keller-jordan",
    adamw: { learningRate: adamwRate, ...adamwOptions },
  }),
  "Muon, match-adamw-rms": (learningRate) => ({
    kind: "muon",
    learningRate,
    scale: "match-adamw-rms",
    adamw: { learningRate, ...adamwOptions },
  }),
};

/** Changes to AdamW's run at its best learning rate: does Muon win only against a badly set AdamW? */
const adamwVariants: Readonly<
  Record<string, { readonly options?: object; readonly rateFactor?: number; readonly warmup?: number }>
> = {
  "b2 0.99": { options: { b2: 0.99 } },
  "b2 0.999": { options: { b2: 0.999 } },
  "eps 1e-8": { options: { eps: 1e-8 } },
  "weight decay 0.1": { options: { weightDecay: 0.1 } },
  "warmup 20 %": { warmup: 0.2 },
  "warmup 20 %, twice the learning rate": { warmup: 0.2, rateFactor: 2 },
};

/** What came out for one size of model. */
interface SizeResult {
  readonly name: string;
  readonly sweeps: Readonly<Record<OptimizerName, Sweep>>;
  /** Final losses of Muon by number of steps, one per seed. */
  readonly horizons: readonly { readonly steps: number; readonly losses: readonly number[] }[];
  /** Share of AdamW's steps after which Muon reaches its final loss, per seed; null if all of them don't do. */
  readonly stepShares: readonly (number | null)[];
  readonly variants: readonly {
    readonly name: string;
    readonly losses: readonly number[];
    /** As `stepShares`, to the final loss of the variant. */
    readonly stepShares: readonly (number | null)[];
  }[];
  readonly timing: StepTiming;
  readonly timingLargeBatch: StepTiming;
}

function trialOf(
  plan: Plan,
  { model }: ModelSize,
  optimizer: OptimizerOptions,
  steps: number,
  seed: number,
  warmup = 0.05,
): TrainTrial {
  return {
    config: {
      model,
      data: { source: plan.source },
      optimizer,
      schedule: {
        kind: "warmup-stable-decay",
        warmupSteps: Math.round(warmup * steps),
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
    spectraAt: [0, steps],
  };
}

/**
 * Where the losses of longer and longer runs fall below a target: linear in the logarithm of the steps. The shortest run if it
 * does already, null if the longest doesn't.
 */
export function stepsToLoss(
  runs: readonly { readonly steps: number; readonly loss: number }[],
  target: number,
): number | null {
  const after = runs.findIndex(({ loss }) => loss <= target);
  if (after < 0) return null;
  if (after === 0) return runs[0]!.steps;
  const [a, b] = [runs[after - 1]!, runs[after]!];
  const share = (a.loss - target) / (a.loss - b.loss);
  return Math.exp(Math.log(a.steps) + share * Math.log(b.steps / a.steps));
}

async function measureSize(
  plan: Plan,
  size: ModelSize,
  pool: TrialPool,
  { trials, note }: ExperimentContext,
): Promise<SizeResult> {
  const train = (trial: TrainTrial) => trials.run({ ...trial }, () => pool.run(trial));
  const sweep = (name: OptimizerName, base: number, exponents: readonly number[], adamwRate: number) =>
    sweepLearningRate({
      base,
      exponents,
      seeds: plan.seeds,
      maxExtensions: plan.maxExtensions,
      train: (learningRate, seed) =>
        train(trialOf(plan, size, optimizers[name](learningRate, adamwRate), plan.steps, seed)),
    });
  note(`${size.name}: learning rates of AdamW and of Muon at AdamW's scale`);
  const [adamw, matched] = await Promise.all([
    sweep("AdamW", adamwBase, plan.adamwExponents, 0),
    sweep("Muon, match-adamw-rms", adamwBase, plan.adamwExponents, 0),
  ]);
  const adamwRate = adamw.best.learningRate;
  note(`${size.name}: learning rates of Muon, with AdamW's best ${adamwRate} for the other parameters`);
  const muon = await sweep("Muon", muonBase, plan.muonExponents, adamwRate);
  const muonRate = muon.best.learningRate;
  note(`${size.name}: shorter runs of Muon at its best learning rate ${muonRate}`);
  const lengths = [...plan.horizons.map((share) => Math.round(share * plan.steps)), plan.steps];
  const optimizer = optimizers.Muon(muonRate, adamwRate);
  const horizons = await Promise.all(
    lengths.map(async (steps) => {
      const results = await Promise.all(
        plan.seeds.map((seed) => train(trialOf(plan, size, optimizer, steps, seed))),
      );
      return { steps, losses: results.map(finalLoss) };
    }),
  );
  const sharesTo = (targets: readonly number[]) =>
    targets.map((target, i) => {
      const runs = horizons.map(({ steps, losses }) => ({ steps, loss: losses[i]! }));
      const steps = stepsToLoss(runs, target);
      return steps === null ? null : steps / plan.steps;
    });
  const variants = await Promise.all(
    (plan.sizes.indexOf(size) < plan.sizesWithVariants ? Object.entries(adamwVariants) : []).map(
      async ([name, { options, rateFactor = 1, warmup }]) => {
        const changed = { ...optimizers.AdamW(rateFactor * adamwRate, 0), ...options };
        const results = await Promise.all(
          plan.seeds.map((seed) => train(trialOf(plan, size, changed, plan.steps, seed, warmup))),
        );
        const losses = results.map(finalLoss);
        return { name, losses, stepShares: sharesTo(losses) };
      },
    ),
  );
  note(`${size.name}: time per step, in turn`);
  const time = (batchSize: number) => {
    const pair = [optimizers.AdamW(adamwRate, 0), optimizer].map((options) =>
      trialOf({ ...plan, batchSize, evalBatches: 1 }, size, options, plan.steps, plan.seeds[0]!),
    ) as [TrainTrial, TrainTrial];
    return trials.run({ processorTime: plan.timing, trials: pair }, () =>
      timeSteps(pair, pool.home, plan.timing),
    );
  };
  return {
    name: size.name,
    sweeps: { AdamW: adamw, Muon: muon, "Muon, match-adamw-rms": matched },
    horizons,
    stepShares: sharesTo(plan.seeds.map((seed) => finalLoss(adamw.best.results.get(seed)!))),
    variants,
    timing: await time(plan.batchSize),
    timingLargeBatch: await time(4 * plan.batchSize),
  };
}

const names = Object.keys(optimizers) as OptimizerName[];
const losses = (sweep: Sweep) => [...sweep.best.results.values()].map(finalLoss);
const optimalRate = ({ log2Optimum: { mean, low, high } }: Sweep) =>
  low === high
    ? (2 ** mean).toPrecision(2)
    : `${(2 ** mean).toPrecision(2)} (${(2 ** low).toPrecision(2)} – ${(2 ** high).toPrecision(2)})`;

/** Interval of the seeds' shares; null if a seed never reached the loss. */
function shareInterval({ stepShares }: Pick<SizeResult, "stepShares">): Interval | null {
  return stepShares.some((share) => share === null) ? null : interval(stepShares as number[]);
}

/** Shares of time: of steps times seconds per step. The interval is that of the steps; the ratio of seconds is known better. */
function timeInterval(result: SizeResult): Interval | null {
  const share = shareInterval(result);
  const { mean } = result.timing.ratio;
  return share === null
    ? null
    : { ...share, mean: share.mean * mean, low: share.low * mean, high: share.high * mean };
}

const format = (value: Interval | null) => (value === null ? "more than 1" : formatInterval(value, 2));
const bySize = (results: readonly SizeResult[], text: (result: SizeResult) => string) =>
  results.map((result) => `${text(result)} (${result.name})`).join(", ");

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

function verdicts(results: readonly SizeResult[]): Verdict[] {
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

function resultTable(results: readonly SizeResult[]): Table {
  return {
    kind: "table",
    title: "At the best learning rate of the grid",
    columns: ["model", "optimizer", "best on the grid", "between its values", "validation loss (nats)"],
    rows: results.flatMap(({ name, sweeps }) =>
      names.map((optimizer) => [
        name,
        optimizer,
        String(sweeps[optimizer].best.learningRate),
        optimalRate(sweeps[optimizer]),
        formatInterval(interval(losses(sweeps[optimizer]))),
      ]),
    ),
  };
}

function stepTable(results: readonly SizeResult[], plan: Plan): Table {
  return {
    kind: "table",
    title: "To AdamW's final loss",
    columns: [
      "model",
      "share of its steps",
      `ms per step at ${plan.batchSize * plan.length} tokens: AdamW`,
      "Muon",
      "Muon's step / AdamW's",
      `the same at ${4 * plan.batchSize * plan.length} tokens`,
      "share of its time",
    ],
    rows: results.map((result) => [
      result.name,
      format(shareInterval(result)),
      ...result.timing.seconds.map((seconds) => (1000 * seconds).toFixed(1)),
      formatInterval(result.timing.ratio, 2),
      formatInterval(result.timingLargeBatch.ratio, 2),
      format(timeInterval(result)),
    ]),
  };
}

/** AdamW with other options, if they were tried. */
function variantTables({ name, sweeps, stepShares, variants }: SizeResult): Table[] {
  if (variants.length === 0) return [];
  const row = (label: string, values: readonly number[], shares: SizeResult["stepShares"]) => [
    label,
    formatInterval(interval(values)),
    format(shareInterval({ stepShares: shares })),
  ];
  return [
    {
      kind: "table",
      title: `Is AdamW set badly? Its best run with one option changed: ${name}`,
      columns: ["AdamW", "validation loss (nats)", "share of its steps that Muon needs to this loss"],
      rows: [
        row("as above", losses(sweeps.AdamW), stepShares),
        ...variants.map((variant) => row(variant.name, variant.losses, variant.stepShares)),
      ],
    },
  ];
}

function spectraTable({ name, sweeps }: SizeResult): Table {
  const seeds = [...sweeps.AdamW.best.results.values()];
  const kinds = Object.keys(seeds[0]?.spectra.at(-1)?.matrices ?? {});
  const cell = (sweep: Sweep, at: 0 | -1, kind: string, value: keyof MatrixSpectrum) =>
    formatInterval(
      interval([...sweep.best.results.values()].map(({ spectra }) => spectra.at(at)!.matrices[kind]![value])),
      2,
    );
  const measured = [
    ["start", sweeps.AdamW, 0],
    ["AdamW", sweeps.AdamW, -1],
    ["Muon", sweeps.Muon, -1],
  ] as const;
  return {
    kind: "table",
    title: `Spectra of the hidden matrices, means over the layers, at start and after training: ${name}`,
    columns: ["matrix", "weights of", "σ₁", "‖W‖_F", "stable rank / full", "effective rank / full"],
    rows: kinds.flatMap((kind) =>
      measured.map(([label, sweep, at]) => [
        kind,
        label,
        ...(["spectralNorm", "frobeniusNorm", "stableRank", "effectiveRank"] as const).map((value) =>
          cell(sweep, at, kind, value),
        ),
      ]),
    ),
  };
}

function plots({ name, sweeps, horizons }: SizeResult, index: number, plan: Plan): Plot[] {
  const suffix = index + 1;
  const withInterval = (x: number, values: readonly number[]) => {
    const finite = values.filter(Number.isFinite);
    if (finite.length < values.length || finite.length === 0) return { x, y: Number.NaN };
    const { mean, low, high, count } = interval(finite);
    return count < 2 ? { x, y: mean } : { x, y: mean, low, high };
  };
  const adamw = interval(losses(sweeps.AdamW)).mean;
  return [
    {
      kind: "plot",
      file: `sweep-${suffix}`,
      title: `Validation loss after ${plan.steps} steps: ${name}`,
      x: { label: "learning rate", scale: "log" },
      y: { label: "nats" },
      series: names.map((optimizer) => ({
        name: optimizer,
        points: sweeps[optimizer].points.map(({ learningRate, results }) =>
          withInterval(learningRate, [...results.values()].map(finalLoss)),
        ),
      })),
    },
    {
      kind: "plot",
      file: `curves-${suffix}`,
      title: `Loss of unseen batches during training: ${name}`,
      x: { label: "step" },
      y: { label: "nats" },
      series: names.map((optimizer) => ({
        name: optimizer,
        points: Array.from({ length: curveParts }, (_, part) => ({
          x: ((part + 0.5) * plan.steps) / curveParts,
          y: interval([...sweeps[optimizer].best.results.values()].map((r) => r.losses[part] ?? Number.NaN))
            .mean,
        })),
      })),
    },
    {
      kind: "plot",
      file: `steps-${suffix}`,
      title: `Final loss of runs of this many steps: ${name}`,
      x: { label: "steps of the run" },
      y: { label: "validation loss, nats" },
      series: [
        { name: "Muon", points: horizons.map((run) => withInterval(run.steps, run.losses)) },
        {
          name: `AdamW after ${plan.steps} steps`,
          dashed: true,
          points: [horizons[0]!.steps, plan.steps].map((x) => ({ x, y: adamw })),
        },
      ],
    },
  ];
}

function method(plan: Plan): Paragraph {
  const { steps, batchSize, length, seeds, source } = plan;
  return {
    kind: "text",
    text: [
      `**How.** Byte-level transformers on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens, less than one epoch; warmup for 5 % of the steps, linear decay to 0 over the last 40 %; gradients clipped to norm 1; no weight decay. A seed decides initial weights and batches, the same for all optimizers (seeds ${seeds.join(", ")}).`,
      "Every optimizer has one learning rate that is swept by factors of 2, one seed on the whole grid, all seeds at the best value and its neighbours; the grid grows while the best lies at its edge. AdamW has b1 0.9, b2 0.95, eps 1e-10 wherever it is used. Muon's AdamW, for embedding, head and norms, takes the learning rate that is best for AdamW alone, so that Muon has no second swept value; with `match-adamw-rms` one learning rate serves all parameters, as Moonlight does (which trains with weight decay 0.1 and far longer).",
      "Steps to AdamW's final loss come from shorter runs of Muon, each with its whole schedule: a point on the way of a longer run has not had its decay. Between two lengths the loss is taken as linear in the logarithm of the steps.",
      "Time per step is processor time, which is the time of the clock on a free core: both optimizers in turn in one process of one thread, medians of blocks. Intervals are 95 %, Student's, over the seeds (over blocks for the time).",
    ].join(" "),
  };
}

const experiment: Experiment = {
  name: "muon",
  title: "Muon against AdamW, each at its own learning rate",
  sources: [
    "Keller Jordan et al., Muon, 2024",
    "Su-10592",
    "Liu et al., Muon is scalable for LLM training (Moonlight), arXiv 2502.16982",
  ],
  async run(context): Promise<ExperimentReport> {
    const plan = plans[context.size];
    using pool = new TrialPool(context.threads);
    const results: SizeResult[] = [];
    for (const size of plan.sizes) results.push(await measureSize(plan, size, pool, context));
    return {
      summary: `At its best learning rate Muon reaches the final loss of AdamW, also at its best, with this share of the steps: ${bySize(results, (result) => format(shareInterval(result)))}; and of the time: ${bySize(results, (result) => format(timeInterval(result)))}.`,
      verdicts: verdicts(results),
      sections: [
        method(plan),
        resultTable(results),
        stepTable(results, plan),
        ...results.flatMap(variantTables),
        ...results.flatMap((result, i) => [...plots(result, i, plan), spectraTable(result)]),
      ],
    };
  },
};

export default experiment;
