import { countVerdicts, type Experiment, type Section, type Verdict } from "./experiment.ts";
import { meanLoss, type Sweep, sweepLearningRate } from "./learningRateSweep.ts";
import { alpha, type LoraTrial, loraTrial } from "./loraRates/loraTrial.ts";
import type { Interval } from "./statistics.ts";

interface Plan {
  readonly base: LoraTrial["base"];
  readonly training: Omit<LoraTrial["training"], "batchSize">;
  readonly batchSizes: readonly number[];
  readonly ranks: readonly number[];
  readonly steps: number;
  /** Learning rates `2^k` times the grid's base. */
  readonly exponents: { readonly full: readonly number[]; readonly lora: readonly number[] };
  /** Rates by which a grid may grow. */
  readonly maxExtensions: number;
  readonly seeds: readonly number[];
}

/** Learning rates of one method at one batch size. */
interface Row {
  /** Null for all parameters. */
  readonly rank: number | null;
  readonly batchSize: number;
  readonly sweep: Sweep;
}

const gridBase = 1e-3;
const model = { numLayers: 2, modelDim: 64, numHeads: 4, mlp: "swiglu" } as const;
const length = 64;

/** Paired by seed: `log₂` of the best rate of LoRA over that of all parameters. */
function log2Ratio(rows: readonly Row[], rank: number, batchSize: number): Interval {
  const [full, lora] = [null, rank].map(
    (own) => rows.find((row) => row.rank === own && row.batchSize === batchSize)!.sweep.log2Optimum,
  ) as [Interval, Interval];
  // Widths of independent seeds' optima add in squares.
  const half = Math.hypot(full.high - full.mean, lora.high - lora.mean);
  const mean = lora.mean - full.mean;
  return { mean, low: mean - half, high: mean + half, count: full.count };
}

const factor = ({ mean, low, high, count }: Interval) =>
  count < 2
    ? (2 ** mean).toFixed(1)
    : `${(2 ** mean).toFixed(1)} (${(2 ** low).toFixed(1)} to ${(2 ** high).toFixed(1)})`;

const nameOf = (rank: number | null) => (rank === null ? "all parameters" : `LoRA, rank ${rank}`);

function verdicts(rows: readonly Row[], { ranks, batchSizes, seeds }: Plan): Verdict[] {
  const ratios = ranks.flatMap((rank) =>
    batchSizes.map((batchSize) => ({ rank, batchSize, ratio: log2Ratio(rows, rank, batchSize) })),
  );
  const isDecided = seeds.length > 1;
  const all = (test: (ratio: Interval) => boolean) => ratios.every(({ ratio }) => test(ratio));
  const shown = ratios
    .map(({ rank, batchSize, ratio }) => `rank ${rank}, batch ${batchSize}: ${factor(ratio)}`)
    .join("; ");
  const judge = (holds: boolean, fails: boolean): Verdict["verdict"] =>
    !isDecided ? "open" : holds ? "holds" : fails ? "fails" : "open";
  const spread = batchSizes.map((batchSize) => {
    const optima = ranks.map(
      (rank) => rows.find((row) => row.rank === rank && row.batchSize === batchSize)!.sweep.log2Optimum,
    );
    const means = optima.map(({ mean }) => mean);
    const [low, high] = [Math.min(...means), Math.max(...means)];
    const [least, most] = [optima[means.indexOf(low)]!, optima[means.indexOf(high)]!];
    return { batchSize, spread: high - low, apart: least.high < most.low };
  });
  const gaps = ranks.map((rank) => ({
    rank,
    gaps: batchSizes.map((batchSize) => {
      const [full, own] = [null, rank].map((which) =>
        meanLoss(rows.find((row) => row.rank === which && row.batchSize === batchSize)!.sweep.best),
      ) as [number, number];
      return own - full;
    }),
  }));
  const grows = ({ gaps: own }: { readonly gaps: readonly number[] }) => own.at(-1)! > own[0]!;
  return [
    {
      claim: "A learning rate found on the full model holds for LoRA",
      expected: "best rates within a factor of 2 of each other, at every rank and batch size",
      found: `LoRA's over that of all parameters: ${shown}`,
      verdict: judge(
        all(({ low, high }) => low >= -1 && high <= 1),
        ratios.some(({ ratio }) => ratio.low > 1 || ratio.high < -1),
      ),
    },
    {
      claim:
        "LoRA's best learning rate is about ten times that of all parameters (Schulman et al., LoRA Without Regret, 2025)",
      expected: "ratios from 5 to 20, within the seeds' intervals",
      found: shown,
      verdict: judge(
        all(({ low, high }) => high >= Math.log2(5) && low <= Math.log2(20)),
        ratios.some(({ ratio }) => ratio.high < Math.log2(5) || ratio.low > Math.log2(20)),
      ),
    },
    {
      claim: `With one α (${alpha}) for all ranks, the best learning rate depends little on the rank (the same)`,
      expected: "less than a factor of 2 between ranks at each batch size",
      found: spread.map((own) => `batch ${own.batchSize}: ${(2 ** own.spread).toFixed(2)}`).join("; "),
      verdict: judge(
        spread.every((own) => own.spread < 1),
        spread.some((own) => own.spread >= 1 && own.apart),
      ),
    },
    {
      claim: "LoRA pays more for large batches than all parameters do (the same)",
      expected: "its best loss is further above at the larger batch size, at every rank",
      found: gaps
        .map(
          ({ rank, gaps: own }) =>
            `rank ${rank}: ${own.map((gap) => gap.toFixed(3)).join(" → ")} nats per byte`,
        )
        .join("; "),
      verdict: judge(gaps.every(grows), !gaps.some(grows)),
    },
  ];
}

function sections(rows: readonly Row[], { ranks, batchSizes, steps }: Plan): Section[] {
  return [
    {
      kind: "table",
      title: `Best learning rates and losses after ${steps} steps`,
      columns: ["trained", "batch", "best learning rate", "over all parameters", "validation loss there"],
      rows: rows.map(({ rank, batchSize, sweep }) => [
        nameOf(rank),
        String(batchSize),
        (2 ** sweep.log2Optimum.mean).toPrecision(3),
        rank === null ? "" : factor(log2Ratio(rows, rank, batchSize)),
        meanLoss(sweep.best).toFixed(4),
      ]),
    },
    ...batchSizes.map(
      (batchSize): Section => ({
        kind: "plot",
        file: `batch-${batchSize}`,
        title: `Validation loss against the learning rate, batch ${batchSize}`,
        x: { label: "learning rate", scale: "log" },
        y: { label: "nats per byte" },
        series: [null, ...ranks].map((rank) => ({
          name: nameOf(rank),
          points: rows
            .find((row) => row.rank === rank && row.batchSize === batchSize)!
            .sweep.points.filter((point) => Number.isFinite(meanLoss(point)))
            .map((point) => ({ x: point.learningRate, y: meanLoss(point) })),
        })),
      }),
    ),
    {
      kind: "text",
      text: "The model is small and was trained for minutes: what it says of models of some billion parameters is a direction, not a number. Rates are powers of two, with a parabola through the best and its neighbours for each seed; the grid goes on while the best lies at its edge.",
    },
  ];
}

const experiment: Experiment<Plan, readonly Row[]> = {
  name: "lora-rates",
  title: "Does a learning rate found on the full model hold for LoRA?",
  sources: [
    "Hu et al., LoRA, arXiv 2106.09685",
    "Schulman et al., LoRA Without Regret, Thinking Machines, 2025",
  ],
  plans: {
    quick: {
      base: {
        training: { model, source: "moby-dick", batchSize: 8, length, evalBatches: 2 },
        steps: 8,
        learningRate: 4e-3,
      },
      training: { model, source: "sotu", length, evalBatches: 2 },
      batchSizes: [2, 4],
      ranks: [2],
      steps: 4,
      exponents: { full: [0], lora: [2] },
      maxExtensions: 0,
      seeds: [1],
    },
    full: {
      base: {
        training: { model, source: "moby-dick", batchSize: 32, length, evalBatches: 8 },
        steps: 600,
        learningRate: 4e-3,
      },
      training: { model, source: "sotu", length, evalBatches: 8 },
      batchSizes: [4, 32],
      ranks: [1, 16],
      steps: 100,
      exponents: { full: [-2, -1, 0, 1, 2], lora: [1, 2, 3, 4, 5] },
      maxExtensions: 6,
      seeds: [1, 2, 3],
    },
  },
  async trials(plan, { trials, home, note }) {
    const rows: Row[] = [];
    for (const batchSize of plan.batchSizes)
      for (const rank of [null, ...plan.ranks]) {
        note(`${nameOf(rank)}, batch ${batchSize}`);
        const { base, steps, seeds } = plan;
        const sweep = await sweepLearningRate({
          base: gridBase,
          exponents: rank === null ? plan.exponents.full : plan.exponents.lora,
          seeds,
          maxExtensions: plan.maxExtensions,
          train: (learningRate, seed) => {
            const trial: LoraTrial = {
              base,
              training: { ...plan.training, batchSize },
              rank,
              steps,
              learningRate,
              seed,
            };
            return trials.run({ kind: "lora", ...trial }, () => loraTrial(trial, home));
          },
        });
        rows.push({ rank, batchSize, sweep });
      }
    return rows;
  },
  verdicts,
  sections,
  summary(rows, { ranks, batchSizes }, judged) {
    const ratios = ranks.flatMap((rank) => batchSizes.map((batch) => log2Ratio(rows, rank, batch).mean));
    return `LoRA's best learning rate is ${(2 ** Math.min(...ratios)).toFixed(1)} to ${(2 ** Math.max(...ratios)).toFixed(1)} times that of all parameters, over ranks ${ranks.join(", ")} and batches ${batchSizes.join(", ")}. ${countVerdicts(judged)}.`;
  },
};

export default experiment;
