import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile, compileStep, type EngineState } from "../../compile/index.ts";
import {
  addGradientMoments,
  compareWithHessian,
  type GradientMoments,
  type HessianAgreement,
  hutchinsonSample,
  initGradientMoments,
  type Reliability,
  RunningMoments,
  splitHalfReliability,
} from "../../curvature/index.ts";
import { BatchSampler, evaluationBatches } from "../../data/index.ts";
import { initTransformer, resolveTransformerConfig, transformerLoss } from "../../nn/index.ts";
import {
  applyUpdates,
  chain,
  type GradientTransformation,
  mapArrays,
  scaleByAdam,
  scaleByBelief,
  scaleByLearningRate,
  type Tree,
  treePaths,
  warmupCosine,
} from "../../optim/index.ts";
import { openBooks } from "../books.ts";

/** Everything that decides what a run measures. */
export interface NetworkSettings {
  readonly optimizer: "adam" | "adabelief";
  readonly seed: number;
  /** Steps after which the Hessian is measured, ascending; training ends with the last. */
  readonly checkpoints: readonly number[];
  readonly numProbes: number;
  /** Batches for the moments of the gradient at one place. */
  readonly numGradients: number;
  readonly learningRate: number;
  readonly modelDim: number;
  readonly batchSize: number;
  readonly length: number;
}

/** `b2` of the averages of `g²` that are kept beside the optimizer, along the same path. */
export const averages = [0, 0.9, 0.99, 0.999, 0.9999] as const;

/** What stands beside `|diag H|`. */
export const scaleNames = [
  "optimizer",
  "here",
  "centred",
  ...averages.map((b2) => `average ${b2}` as const),
] as const;
export type ScaleName = (typeof scaleNames)[number];

/** A matrix of the model at a checkpoint. */
export interface LayerResult {
  readonly path: string;
  readonly reliability: Reliability;
  readonly agreement: Readonly<Record<ScaleName, HessianAgreement>>;
}

export interface CheckpointResult {
  readonly step: number;
  /** Mean cross-entropy of validation batches, nats. */
  readonly loss: number;
  /** Share of the second moment `E[g²]` that is variance, over all parameters. */
  readonly varianceShare: number;
  readonly layers: readonly LayerResult[];
  /** Medians of `|h|` and of the optimizer's `√v̂` in groups of equal size by `|h|`, over all matrices. */
  readonly groups: readonly { readonly hessian: number; readonly scale: number }[];
}

interface State {
  readonly params: Tree;
  readonly optimizer: Tree;
  readonly averages: readonly Tree[];
}

function modelConfig(modelDim: number, length: number) {
  return resolveTransformerConfig({
    vocabSize: 257,
    numLayers: 2,
    modelDim,
    numHeads: 2,
    maxLength: length,
  });
}

function optimizerOf({ optimizer, learningRate, checkpoints }: NetworkSettings): GradientTransformation {
  const schedule = warmupCosine({
    peak: learningRate,
    warmupSteps: 10,
    numSteps: Math.max(checkpoints.at(-1)!, 11),
  });
  return chain(optimizer === "adam" ? scaleByAdam() : scaleByBelief(), scaleByLearningRate(schedule));
}

/**
 * Trains a small transformer on the books and, at checkpoints, puts `√v̂` of the optimizer, the gradient's second moment and variance
 * at that place, and averages of `g²` with other `b2` beside `|diag H|`, matrix by matrix.
 */
export async function networkTrial(
  settings: NetworkSettings,
  home: string,
  threads: number | undefined,
): Promise<{ readonly numParameters: number; readonly checkpoints: readonly CheckpointResult[] }> {
  const { seed, checkpoints, batchSize, length, modelDim } = settings;
  using data = await openBooks(home);
  const config = modelConfig(modelDim, length);
  const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
  const tokensAt = (step: number) => np.array(sampler.batch(step), { shape: [batchSize, length + 1] });
  const validation = evaluationBatches(data.validation, batchSize, length, 16);
  const loss = (params: Tree, tokens: Tree) => transformerLoss(params, tokens, config);
  const optimizer = optimizerOf(settings);
  const options = threads === undefined ? {} : { threads };

  await using train = compileStep((state: State, tokens: np.Array): [State, { loss: np.Array }] => {
    const [value, gradients] = lossAndGradient((p) => loss(p, tokens), tree.ref(state.params));
    const next = state.averages.map((average, i) =>
      mapArrays(
        (v, g) => v.mul(averages[i]!).add(g.ref.mul(g).mul(1 - averages[i]!)),
        average,
        tree.ref(gradients),
      ),
    );
    const [updates, inner] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
    return [
      { params: applyUpdates(state.params, updates), optimizer: inner, averages: next },
      { loss: value },
    ];
  }, options);
  await using evaluate = compile(loss as (p: Tree, t: np.Array) => np.Array, options);
  await using probe = compile(
    (params: Tree, tokens: np.Array, key: np.Array) =>
      hutchinsonSample((p) => loss(p, tokens.ref))(params, key).diagonal as Tree,
    { ...options, outputs: "engine" },
  );
  await using addMoments = compileStep(
    (moments: GradientMoments, params: Tree, tokens: np.Array): [GradientMoments, np.Array] => [
      addGradientMoments(loss)(moments, params, tokens),
      np.array(0),
    ],
    options,
  );

  const params = initTransformer(random.key(seed), config) as Tree;
  const paths = treePaths(params).map(({ path, array }) => ({ path, shape: [...array.shape] }));
  const numParameters = paths.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const zeros = () => mapArrays((p: np.Array) => np.zeros(p.shape), params);
  const initial: State = {
    params: tree.ref(params),
    optimizer: optimizer.init(tree.ref(params)),
    averages: averages.map(zeros),
  };
  using state = await train.init(initial);
  const measured: CheckpointResult[] = [];
  let step = 0;
  for (const checkpoint of checkpoints) {
    for (; step < checkpoint; step++) (await train(state, tokensAt(step))).loss.dispose();
    // Batches from far ahead: training hasn't seen them, and no two measurements share one.
    let batch = 10_000_000 * (1 + measured.length);
    const nextTokens = () => tokensAt(batch++);
    const leaves = state.leaves() as State;
    const engineParams = leaves.params;

    let total = 0;
    for (const tokens of validation) {
      const value = await evaluate(engineParams, np.array(tokens, { shape: [batchSize, length + 1] }));
      total += (await value.data())[0]!;
    }
    using moments = await addMoments.init(initGradientMoments(zeros()));
    for (let i = 0; i < settings.numGradients; i++)
      (await addMoments(moments, engineParams, nextTokens())).dispose();
    const halves = [new RunningMoments(numParameters), new RunningMoments(numParameters)] as const;
    for (let i = 0; i < settings.numProbes; i++) {
      const sample = await probe(engineParams, nextTokens(), random.key(batch));
      halves[i % 2]!.add(elements(sample));
    }
    measured.push({
      step,
      loss: total / validation.length,
      ...describe(paths, halves, leaves, moments, settings, step),
    });
  }
  tree.dispose(params);
  return { numParameters, checkpoints: measured };
}

function lossAndGradient(loss: (p: Tree) => np.Array, params: Tree): [np.Array, Tree] {
  return (valueAndGrad(loss) as (p: Tree) => [np.Array, Tree])(params);
}

/** Elements of all arrays of the engine in a tree, one after the other. */
function elements(root: Tree): Float64Array {
  const parts = (tree.leaves(root) as { data: Float32Array }[]).map(({ data }) => data);
  const flat = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    flat.set(part, offset);
    offset += part.length;
  }
  return flat;
}

/** Compares matrix by matrix. */
function describe(
  paths: readonly { readonly path: string; readonly shape: readonly number[] }[],
  halves: readonly [RunningMoments, RunningMoments],
  state: State,
  moments: EngineState<GradientMoments>,
  { numGradients }: NetworkSettings,
  step: number,
): Pick<CheckpointResult, "varianceShare" | "layers" | "groups"> {
  const { mean, squares } = moments.leaves();
  const variance = elements(squares).map((sum) => sum / (numGradients - 1));
  const second = elements(mean).map((m, i) => m * m + variance[i]! * (1 - 1 / numGradients));
  // Bias corrections scale all elements alike, which neither ranks nor slopes see; the state's `nu` will do.
  const [{ nu }] = state.optimizer as [{ nu: Tree }];
  const scales: Record<ScaleName, Float64Array> = {
    optimizer: elements(nu).map(Math.sqrt),
    here: second.map(Math.sqrt),
    centred: variance.map(Math.sqrt),
    ...(Object.fromEntries(
      averages.map((b2, i) => [`average ${b2}`, elements(state.averages[i]).map(Math.sqrt)]),
    ) as Record<`average ${(typeof averages)[number]}`, Float64Array>),
  };
  const hessian = halves[0].mean.map((a, i) => (a + halves[1].mean[i]!) / 2);
  const layers: LayerResult[] = [];
  const pairs: [number, number][] = [];
  const correction = Math.sqrt(1 - 0.999 ** step);
  let offset = 0;
  for (const { path, shape } of paths) {
    const range = [offset, offset + shape.reduce((a, b) => a * b, 1)] as const;
    offset = range[1];
    // The weights of norms are few.
    if (shape.length < 2) continue;
    const part = (values: Float64Array) => values.subarray(...range);
    layers.push({
      path,
      reliability: rounded(splitHalfReliability(part(halves[0].mean), part(halves[1].mean))),
      agreement: Object.fromEntries(
        scaleNames.map((name) => [name, rounded(compareWithHessian(part(scales[name]), part(hessian)))]),
      ) as Record<ScaleName, HessianAgreement>,
    });
    part(hessian).forEach((h, i) => {
      const scale = part(scales.optimizer)[i]! / correction;
      if (h !== 0 && scale > 0) pairs.push([Math.abs(h), scale]);
    });
  }
  const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
  return { varianceShare: sum(variance) / sum(second), layers, groups: groupMedians(pairs, 24) };
}

/** Four digits are enough for a table. */
function rounded<T extends object>(numbers: T): T {
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, Number((value as number).toPrecision(4))]),
  ) as T;
}

function groupMedians(pairs: [number, number][], count: number): { hessian: number; scale: number }[] {
  pairs.sort(([a], [b]) => a - b);
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;
  const digits = (value: number) => Number(value.toPrecision(4));
  return Array.from({ length: count }, (_, group) => {
    const own = pairs.slice(
      Math.floor((group * pairs.length) / count),
      Math.floor(((group + 1) * pairs.length) / count),
    );
    return {
      hessian: digits(median(own.map(([h]) => h))),
      scale: digits(median(own.map(([, s]) => s))),
    };
  });
}

/** Final validation loss of a shorter run of Adam with another `b2`. */
export async function lossTrial(
  settings: Pick<NetworkSettings, "seed" | "learningRate" | "modelDim" | "batchSize" | "length"> & {
    readonly b2: number;
    readonly steps: number;
  },
  home: string,
  threads: number | undefined,
): Promise<{ readonly loss: number }> {
  const { seed, steps, b2, batchSize, length, modelDim, learningRate } = settings;
  using data = await openBooks(home);
  const config = modelConfig(modelDim, length);
  const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
  const shape = [batchSize, length + 1];
  const options = threads === undefined ? {} : { threads };
  const optimizer = chain(
    scaleByAdam({ b2 }),
    scaleByLearningRate(warmupCosine({ peak: learningRate, warmupSteps: 10, numSteps: steps })),
  );
  const loss = (params: Tree, tokens: np.Array) => transformerLoss(params, tokens, config);
  interface Trained {
    readonly params: Tree;
    readonly optimizer: Tree;
  }
  await using train = compileStep((state: Trained, tokens: np.Array): [Trained, np.Array] => {
    const [value, gradients] = lossAndGradient((p) => loss(p, tokens), tree.ref(state.params));
    const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
    return [{ params: applyUpdates(state.params, updates), optimizer: next }, value];
  }, options);
  await using evaluate = compile(loss, options);
  const params = initTransformer(random.key(seed), config) as Tree;
  using state = await train.init({ params, optimizer: optimizer.init(tree.ref(params)) });
  for (let step = 0; step < steps; step++)
    (await train(state, np.array(sampler.batch(step), { shape }))).dispose();
  const batches = evaluationBatches(data.validation, batchSize, length, 32);
  let total = 0;
  for (const tokens of batches) {
    const value = await evaluate((state.leaves() as Trained).params, np.array(tokens, { shape }));
    total += (await value.data())[0]!;
  }
  return { loss: total / batches.length };
}
