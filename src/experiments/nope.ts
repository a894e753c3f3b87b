import { type PositionKind, positionKinds } from "../nn/index.ts";
import { openConfiguredData, parseLanguageConfig } from "../train/index.ts";
import type { Experiment, ExperimentContext, ExperimentReport, Paragraph, Verdict } from "./experiment.ts";
import { sweepLearningRate } from "./learningRateSweep.ts";
import { bigramLoss } from "./nope/bigramLoss.ts";
import { initialTrial } from "./nope/initialTrial.ts";
import { permutationTrial } from "./nope/permutationTrial.ts";
import type { PositionMeasurement } from "./nope/positionMeasures.ts";
import type { InitialGroup, NopeResults } from "./nope/results.ts";
import { nopeSections } from "./nope/sections.ts";
import { uniformTrial } from "./nope/uniformTrial.ts";
import { nopeVerdicts } from "./nope/verdicts.ts";
import type { TrainTrial, TrialConfig } from "./trainTrial.ts";
import { TrialPool } from "./trialPool.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

/** What is measured: minutes for the report, seconds to see that it runs. */
const plans = {
  full: {
    permutation: { layers: [1, 2, 4], modelDim: 32, numHeads: 4, length: 32, permutations: 16, seed: 1 },
    uniform: { sequences: 64, length: 512, dim: 64, seeds: upTo(16) },
    initial: {
      vocabSize: { independent: 4096, books: 257 },
      numLayers: 4,
      modelDim: 64,
      numHeads: 4,
      length: 256,
      batchSize: 16,
      numBatches: 4,
      seeds: upTo(6),
    },
    model: { numLayers: 3, modelDim: 64, numHeads: 4, maxLength: 128 },
    source: "books",
    steps: 400,
    batchSize: 8,
    evalBatches: 32,
    seeds: [1, 2, 3],
    base: 0.004,
    exponents: [-1, 0, 1],
    maxExtensions: 4,
    measurement: { lengthFactor: 4, sequences: 128 },
  },
  quick: {
    permutation: { layers: [1, 2], modelDim: 16, numHeads: 2, length: 8, permutations: 2, seed: 1 },
    uniform: { sequences: 16, length: 64, dim: 16, seeds: upTo(3) },
    initial: {
      vocabSize: { independent: 512, books: 257 },
      numLayers: 2,
      modelDim: 16,
      numHeads: 2,
      length: 16,
      batchSize: 4,
      numBatches: 2,
      seeds: upTo(2),
    },
    model: { numLayers: 1, modelDim: 16, numHeads: 2, maxLength: 16 },
    source: "moby-dick",
    steps: 8,
    batchSize: 4,
    evalBatches: 2,
    seeds: [1],
    base: 0.004,
    exponents: [1],
    maxExtensions: 0,
    measurement: { lengthFactor: 4, sequences: 32 },
  },
} as const satisfies Record<ExperimentContext["size"], object>;

type Plan = (typeof plans)[ExperimentContext["size"]];

function trialOf(
  plan: Plan,
  position: PositionKind,
  learningRate: number,
  seed: number,
  steps: number,
  positions: PositionMeasurement,
): TrainTrial {
  const optimizer: TrialConfig["optimizer"] = {
    kind: "adamw",
    learningRate,
    b1: 0.9,
    b2: 0.95,
    eps: 1e-10,
    weightDecay: 0,
  };
  return {
    config: {
      model: { ...plan.model, position },
      data: { source: plan.source },
      optimizer,
      schedule: {
        kind: "warmup-stable-decay",
        warmupSteps: Math.round(0.05 * steps),
        decaySteps: Math.round(0.4 * steps),
      },
      training: {
        steps,
        batchSize: plan.batchSize,
        length: plan.model.maxLength,
        evalBatches: plan.evalBatches,
        seed,
      },
    },
    positions,
  };
}

async function measureRandom(
  plan: Plan,
  { trials, threads, note }: ExperimentContext,
): Promise<Pick<NopeResults, "permutations" | "uniform" | "initial">> {
  note("order of the tokens, in float64");
  const permutations = [];
  const { layers, ...sizes } = plan.permutation;
  for (const mask of ["bidirectional", "causal"] as const) {
    for (const position of ["none", "rope"] as const) {
      for (const numLayers of layers) {
        const settings = { ...sizes, mask, position, numLayers };
        const result = await trials.run({ part: "permutation", ...settings }, () =>
          permutationTrial(settings),
        );
        permutations.push({ settings, result });
      }
    }
  }
  note("uniform attention");
  const { seeds, ...uniformSizes } = plan.uniform;
  const uniform = [];
  for (const seed of seeds) {
    const settings = { ...uniformSizes, seed };
    uniform.push(await trials.run({ part: "uniform", ...settings }, () => uniformTrial(settings)));
  }
  note("random transformers");
  const initial: InitialGroup[] = [];
  const { vocabSize, seeds: initialSeeds, ...initialSizes } = plan.initial;
  for (const tokens of ["independent", "books"] as const) {
    for (const qkNorm of [false, true]) {
      const results = [];
      for (const seed of initialSeeds) {
        const settings = { ...initialSizes, tokens, qkNorm, vocabSize: vocabSize[tokens], seed };
        results.push(
          await trials.run({ part: "initial", ...settings }, () => initialTrial(settings, threads ?? 1)),
        );
      }
      initial.push({ tokens, qkNorm, results });
    }
  }
  return { permutations, uniform, initial };
}

async function measureTrained(
  plan: Plan,
  { trials, threads, note }: ExperimentContext,
): Promise<Pick<NopeResults, "sweeps" | "untrained" | "bigramLoss">> {
  using pool = new TrialPool(threads);
  const train = (trial: TrainTrial) => trials.run({ ...trial }, () => pool.run(trial));
  note("models before training");
  const untrained = await Promise.all(
    positionKinds.map(async (kind) => {
      const results = await Promise.all(
        plan.seeds.map((seed) =>
          // The learning rate of the one step that follows has no part in it.
          train(trialOf(plan, kind, plan.base, seed, 1, { ...plan.measurement, at: [0] })),
        ),
      );
      return [kind, results.map(({ positions }) => positions![0]!)] as const;
    }),
  );
  note("learning rates for each encoding");
  const sweeps = await Promise.all(
    positionKinds.map(async (kind) => {
      const sweep = await sweepLearningRate({
        base: plan.base,
        exponents: plan.exponents,
        seeds: plan.seeds,
        maxExtensions: plan.maxExtensions,
        train: (learningRate, seed) =>
          train(
            trialOf(plan, kind, learningRate, seed, plan.steps, { ...plan.measurement, at: [plan.steps] }),
          ),
      });
      return [kind, sweep] as const;
    }),
  );
  const validation = {
    batchSize: plan.batchSize,
    length: plan.model.maxLength,
    batches: plan.evalBatches,
  };
  const { config } = trialOf(plan, "none", plan.base, plan.seeds[0], 1, { ...plan.measurement, at: [] });
  const pairs = await trials.run({ part: "bigram", source: plan.source, ...validation }, () => {
    using data = openConfiguredData(parseLanguageConfig(config), pool.home);
    return bigramLoss(data, validation);
  });
  return { sweeps: new Map(sweeps), untrained: new Map(untrained), bigramLoss: pairs };
}

function method(plan: Plan): Paragraph {
  const { model, steps, batchSize, seeds, source, measurement, permutation, initial, uniform } = plan;
  const length = model.maxLength;
  return {
    kind: "text",
    text: [
      `**Random weights.** Order: the transformer's own blocks in float64 with weights of size 1/√d, L = ${permutation.length}, ${permutation.permutations} orders. Uniform attention: ${uniform.seeds.length} × ${uniform.sequences} sequences of ${uniform.length} normal values with ${uniform.dim} components, sums in float64; slopes are fitted for each of the ${uniform.seeds.length} and have Student's interval, as neighbours in one sequence are far from independent. Random transformers: GPT-2's initialisation (0.02), ${initial.numLayers} layers, d = ${initial.modelDim}, ${initial.length} tokens, ${initial.seeds.length} seeds; y_n is the output of a head before it is projected, its slope is fitted at n = 1, 2, 3, 4, 6, 8, 11, ….`,
      `**Training.** A byte-level transformer (${model.numLayers} layers, d = ${model.modelDim}, ${model.numHeads} heads, QK-norm) on the corpus "${source}", ${steps} steps of ${batchSize} × ${length} tokens with every encoding, AdamW, learning rates on a grid of powers of two around ${plan.base} until the best isn't at its edge or the grid has ${plan.exponents.length + plan.maxExtensions} values. Seeds ${seeds.join(", ")}; intervals are 95 %, Student's, over the seeds, differences are paired by seed. Losses by place are of ${measurement.sequences} sequences of ${measurement.lengthFactor * length} tokens of held-out text; the learned table ends at ${length}, so it has no loss beyond. Sequences begin anywhere in the text, without a token that marks the beginning.`,
      `**Probes.** Ridge regression of n on the states of ${measurement.sequences / 2} held-out sequences, judged on ${measurement.sequences / 2} others. A size that falls with n has no direction of its own, so a linear probe needn't see it; the second probe has the squares of the components as well. How well neighbours are told apart is the probability that the second probe, fitted to ln n, puts the state at n + 1 of one sequence after that at n of another.`,
      "**Limits.** Small models, short training, short texts: what is said of losses is said of these. A table of pairs of bytes shows how far they have come: a model that isn't better than it has learnt nothing of what lies before the last byte, and so has little to lose beyond the length of the training. The probes are fitted to few sequences and bound from below what a state tells.",
    ].join("\n\n"),
  };
}

const nope: Experiment = {
  name: "nope",
  title: "Decoders without positions: what they know of places, and what positions add",
  sources: [
    "Su-10347 (kexue.fm/archives/10347)",
    "Haviv et al., arXiv 2203.16634",
    "Chi et al., arXiv 2305.13571",
    "Press et al., ALiBi, arXiv 2108.12409",
    "Kazemnejad et al., arXiv 2305.19466",
  ],
  async run(context): Promise<ExperimentReport> {
    const plan = plans[context.size];
    const results = { ...(await measureRandom(plan, context)), ...(await measureTrained(plan, context)) };
    const verdicts = nopeVerdicts(results);
    const count = (verdict: Verdict["verdict"]) => verdicts.filter((row) => row.verdict === verdict).length;
    return {
      summary: `Random weights in float64 and float32, and byte-level models trained with six encodings of positions: ${count("holds")} claims hold, ${count("fails")} fail, ${count("open")} stay open.`,
      verdicts,
      sections: [
        method(plan),
        ...nopeSections(results, {
          length: plan.model.maxLength,
          initialLength: plan.initial.length,
          uniformDim: plan.uniform.dim,
        }),
      ],
    };
  },
};

export default nope;
