// Prints what decays of matrices and logged spectra cost beside a training step of 4,096 tokens, as processor time of one thread, which
// other programs on the machine disturb little.
//
// npm run bench -- --part decay [--dim 256] [--layers 4]
import { parseArgs } from "node:util";
import { init, numpy as np, tree } from "@jax-js/jax";
import { compileStep } from "../src/compile/index.ts";
import { buildOptimizer, parseLanguageConfig, resolveModel } from "../src/config/index.ts";
import { BatchSampler } from "../src/data/index.ts";
import {
  addDecayedWeights,
  addSchattenDecay,
  addSpectralDecay,
  applyUpdates,
  chain,
  type GradientTransformation,
  scaleByLearningRate,
  type Tree,
} from "../src/optim/index.ts";
import { languageSteps } from "../src/tasks/index.ts";
import { SpectrumLog, StepRunner } from "../src/train/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: { dim: { type: "string", default: "256" }, layers: { type: "string", default: "4" } },
});
const [modelDim, numLayers] = [Number(flags.dim), Number(flags.layers)];
const [vocabSize, batchSize, length, rounds] = [4096, 32, 128, 20];
await init();

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Processor time in milliseconds. */
async function time(body: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await body();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Hidden matrices as in the model, with elements of the size of trained ones. */
function hiddenMatrices(): Record<string, np.Array> {
  const matrix = (rows: number, columns: number, phase: number) =>
    np
      .array(Float32Array.from({ length: rows * columns }, (_, i) => 0.02 * Math.sin(1.37 * i + phase)))
      .reshape([rows, columns]);
  const layers = Array.from({ length: numLayers }, (_, layer) => [
    ...["wq", "wk", "wv", "wo"].map((name, i) => [`${layer}.${name}`, matrix(modelDim, modelDim, i + layer)]),
    [`${layer}.up`, matrix(modelDim, 4 * modelDim, layer)],
    [`${layer}.down`, matrix(4 * modelDim, modelDim, layer)],
  ]);
  return Object.fromEntries(layers.flat()) as Record<string, np.Array>;
}

const stages: Record<string, GradientTransformation[]> = {
  none: [],
  frobenius: [addDecayedWeights(0.1)],
  spectral: [addSpectralDecay(0.1)],
  "spectral, 2 steps": [addSpectralDecay(0.1, { steps: 2 })],
  "top-k, k 4": [addSpectralDecay(0.1, { k: 4 })],
  "spectral, 10 steps from ones": [addSpectralDecay(0.1, { start: "ones" })],
  "schatten, p 4": [addSchattenDecay(0.1)],
};

/** An update of all matrices with each decay, the kinds in turns. */
async function measureDecays(): Promise<Record<string, number>> {
  const variants = await Promise.all(
    Object.entries(stages).map(async ([name, stage]) => {
      const transformation = chain(...stage, scaleByLearningRate(1e-3));
      const step = compileStep(
        (state: Tree, gradient: np.Array): [Tree, np.Array] => {
          const directions = tree.map(
            (w: np.Array) => w.mul(1e-3).add(gradient.ref),
            tree.ref(state.params),
          ) as Tree;
          gradient.dispose();
          const [updates, optimizer] = transformation.update(
            directions,
            state.optimizer,
            tree.ref(state.params),
          );
          return [{ params: applyUpdates(state.params, updates), optimizer }, np.array(0)];
        },
        { threads: 1 },
      );
      const params = hiddenMatrices();
      const state = await step.init({ params, optimizer: transformation.init(tree.ref(params)) });
      return {
        name,
        times: [] as number[],
        run: async () => (await step(state, np.array(0.1))).dispose(),
      };
    }),
  );
  for (let round = -2; round < rounds; round++) {
    for (const { run, times } of variants) {
      const taken = await time(run);
      if (round >= 0) times.push(taken);
    }
  }
  const base = variants[0]!.times;
  return Object.fromEntries(
    variants.map(({ name, times }) => [name, median(times.map((t, i) => t - base[i]!))]),
  );
}

async function measureStepAndSpectra(): Promise<{ step: number; spectra: number }> {
  const config = parseLanguageConfig({
    model: { numLayers, modelDim, numHeads: modelDim / 64, maxLength: length, vocabSize },
    optimizer: { kind: "adamw" },
    training: { steps: 10, batchSize, length, threads: 1 },
  });
  const source = {
    length: 100_000,
    read(start: number, count: number, target: Int32Array, at: number) {
      for (let i = 0; i < count; i++) target[at + i] = ((start + i) * 7919) % vocabSize;
    },
  };
  const sampler = new BatchSampler({ source: source as never, batchSize, length, seed: 0 });
  const task = languageSteps(resolveModel(config, 257), sampler, config.training);
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  using state = await runner.init();
  const log = new SpectrumLog({ threads: 1 });
  const [steps, spectra]: number[][] = [[], []];
  for (let i = 0; i < 4; i++) {
    const before = log.before(state);
    steps!.push(await time(() => runner.run(state, i)));
    spectra!.push(await time(() => log.measure(state, before)));
  }
  await runner.dispose();
  await log.dispose();
  // The first of each also compiles.
  return { step: median(steps!.slice(1)), spectra: median(spectra!.slice(1)) };
}

const { step, spectra } = await measureStepAndSpectra();
console.log(`width ${modelDim}, ${numLayers} layers: a step of AdamW takes ${step.toFixed(0)} ms`);
for (const [name, taken] of Object.entries(await measureDecays())) {
  if (name !== "none") figure(`${name}, ms`, taken);
  if (name !== "none") console.log(`${name}: ${taken.toFixed(1)} ms, ${((100 * taken) / step).toFixed(2)} %`);
}
figure("a step of AdamW, ms", step);
figure("spectra, ms", spectra);
console.log(`spectra: ${spectra.toFixed(0)} ms, ${((100 * spectra) / (50 * step)).toFixed(2)} % of 50 steps`);
