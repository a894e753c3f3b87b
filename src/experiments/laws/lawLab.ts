import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import {
  type CompiledStep,
  compile,
  compileStep,
  EngineArray,
  type EngineState,
} from "../../compile/index.ts";
import {
  addGradientMoments,
  type GradientMoments,
  hessianVectorProduct,
  hessianVectorProducts,
  initGradientMoments,
  type Sharpness,
  sharpness,
} from "../../curvature/index.ts";
import { mapArrays, type Tree } from "../../optim/index.ts";
import { batchOf, type EngineBatch, type LawTask } from "./lawTask.ts";
import { type LawOptimizer, runUpdates, stepDirection } from "./optimizers.ts";

/** Parameters and the state of an optimizer. */
export interface RunState {
  readonly params: Tree;
  readonly optimizer: Tree;
}

type RunStep = CompiledStep<RunState, [Tree, np.Array], np.Array>;

/** Parameters at one place of training, and what the law wants to know of gradients there. */
export interface Checkpoint {
  readonly params: Tree;
  /** Mean gradient g and, of one sample, the variance σ² of each element; trees of arrays in the engine. */
  readonly mean: Tree;
  readonly variance: Tree;
  /** Samples behind both. */
  readonly numSamples: number;
}

/** How the run is done that leads to a checkpoint: Adam at one learning rate. */
export interface CheckpointOptions {
  readonly steps: number;
  readonly learningRate: number;
  readonly batchSize: number;
  /** Batches of `batchSize` samples for the moments of the gradient. */
  readonly numGradients: number;
}

/** Streams of batches: each purpose has its own, so that no two share samples other than by chance. */
export const streams = { run: 1_000, checkpoint: 2_000, moments: 3_000, horizon: 10_000 } as const;

const scalar = (value: number) => EngineArray.from(Float32Array.of(value), []);
const numberOf = async (array: np.Array) => (await array.data())[0]!;

/** A task with its compiled programs; learning rates are inputs, so that a sweep compiles once per batch size. */
export class LawLab implements AsyncDisposable {
  readonly task: LawTask;
  readonly #options: { readonly threads?: number };
  readonly #steps = new Map<string, RunStep>();
  readonly #checkpoints = new Map<string, Checkpoint>();
  readonly #evaluation: readonly EngineBatch[];
  readonly #loss;
  readonly #movedLoss;
  readonly #moments;
  readonly #curved;
  readonly #directions = new Map<string, ReturnType<typeof compiledDirections>>();

  constructor(task: LawTask, threads: number | undefined) {
    this.task = task;
    this.#options = threads === undefined ? {} : { threads };
    this.#evaluation = task.evaluation();
    this.#loss = compile((params: Tree, batch: Tree) => task.loss(params, batch), this.#options);
    this.#movedLoss = compile(
      (params: Tree, direction: Tree, learningRate: np.Array, batch: Tree) =>
        task.loss(
          mapArrays((p, d) => p.sub(d.mul(learningRate.ref)), params, direction),
          batch,
        ),
      this.#options,
    );
    this.#moments = compile((params: Tree, directions: readonly Tree[], batch: Tree) => {
      const { gradient, products } = hessianVectorProducts((p) => task.loss(p, tree.ref(batch)))(
        params,
        directions.map((direction) => tree.ref(direction)),
      );
      return {
        alignment: np.stack(directions.map((direction) => dot(tree.ref(direction), tree.ref(gradient)))),
        curvature: np.stack(directions.map((direction, i) => dot(direction, products[i]))),
      };
    }, this.#options);
    this.#curved = compile((params: Tree, vector: Tree, batch: Tree) => {
      const product = hessianVectorProduct((p) => task.loss(p, tree.ref(batch)))(params, vector);
      tree.dispose(batch);
      return product;
    }, this.#options);
  }

  #step(optimizer: LawOptimizer): RunStep {
    const key = JSON.stringify(optimizer);
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const updates = runUpdates(optimizer);
    const step = compileStep((state: RunState, batch: Tree, learningRate: np.Array): [RunState, np.Array] => {
      const [loss, gradient] = lossAndGradient((p) => this.task.loss(p, batch), tree.ref(state.params));
      const [update, next] = updates.update(gradient, state.optimizer, tree.ref(state.params));
      const params = mapArrays((p, u) => p.sub(u.mul(learningRate.ref)), state.params, update);
      return [{ params, optimizer: next }, loss];
    }, this.#options);
    this.#steps.set(key, step);
    return step;
  }

  /** Frees the programs of training steps: those of another optimizer or purpose come next. */
  async forgetSteps(): Promise<void> {
    for (const step of this.#steps.values()) await step.dispose();
    this.#steps.clear();
  }

  /**
   * Trains from a seed's initial parameters, or from given ones, with a constant learning rate. Batches of a seed are the same for all learning rates
   * and optimizers.
   *
   * @param afterStep - called with the number of finished steps, the batch's loss before the step, and the state; stops the run by
   *   `false`
   * @returns the state, to be disposed of
   */
  async train(
    {
      optimizer,
      batchSize,
      learningRate,
      seed,
      steps,
      start,
    }: {
      optimizer: LawOptimizer;
      batchSize: number;
      learningRate: number;
      seed: number;
      steps: number;
      /** Parameters in the engine to start from, left alone. Default: the seed's initial ones. */
      start?: Tree;
    },
    afterStep: (done: number, loss: number, state: EngineState<RunState>) => boolean | Promise<boolean>,
    stream: keyof typeof streams = "run",
  ): Promise<EngineState<RunState>> {
    const step = this.#step(optimizer);
    const initial = this.task.init(seed);
    const inner = runUpdates(optimizer).init(tree.ref(initial));
    if (start !== undefined) tree.dispose(initial);
    const params = start === undefined ? initial : copied(start);
    const state = await step.init({ params, optimizer: inner });
    const rate = scalar(learningRate);
    for (let i = 0; i < steps; i++) {
      const batch = batchOf(this.task, streams[stream] + seed, batchSize, i);
      const loss = await numberOf(await step(state, batch, rate));
      if (!(await afterStep(i + 1, loss, state))) break;
    }
    return state;
  }

  /** The expected loss: of all batches of the evaluation, or of the first ones. */
  async expectedLoss(params: Tree, numBatches = this.#evaluation.length): Promise<number> {
    const batches = this.#evaluation.slice(0, numBatches);
    let sum = 0;
    for (const batch of batches) sum += await numberOf(await this.#loss(params, batch));
    return sum / batches.length;
  }

  /** The parameters that a run of Adam reaches, with moments of the gradient there; made once. */
  async checkpoint(options: CheckpointOptions): Promise<Checkpoint> {
    const key = JSON.stringify(options);
    const known = this.#checkpoints.get(key);
    if (known !== undefined) return known;
    const { steps, learningRate, batchSize, numGradients } = options;
    using state = await this.train(
      { optimizer: { kind: "adam", epsilon: 1e-8 }, batchSize, learningRate, seed: 1, steps },
      () => true,
      "checkpoint",
    );
    const params = copied(state.leaves().params);
    await using add = compileStep(
      (moments: GradientMoments, p: Tree, batch: Tree): [GradientMoments, np.Array] => [
        addGradientMoments((q, b) => this.task.loss(q, b))(moments, p, batch),
        np.array(0),
      ],
      this.#options,
    );
    using moments = await add.init(initGradientMoments(this.task.init(1)));
    for (let i = 0; i < numGradients; i++) {
      const batch = batchOf(this.task, streams.moments, batchSize, i);
      (await add(moments, params, batch)).dispose();
    }
    const { mean, squares } = moments.leaves();
    const checkpoint = {
      params,
      mean: copied(mean),
      variance: copied(squares, (sum) => (sum * batchSize) / (numGradients - 1)),
      numSamples: batchSize * numGradients,
    };
    this.#checkpoints.set(key, checkpoint);
    return checkpoint;
  }

  /** `E[g̃²] = g² + σ²/B` of a batch's gradient, element by element; unbiased but for elements it would make negative. */
  secondMoment({ mean, variance, numSamples }: Checkpoint, batchSize: number): Tree {
    return tree.map(
      (g: EngineArray, v: EngineArray) => {
        const [means, variances] = [g.data as Float32Array, v.data as Float32Array];
        return EngineArray.from(
          means.map((m, i) => {
            const noise = variances[i]!;
            return Math.max(m * m - noise / numSamples, 0) + noise / batchSize;
          }),
          g.shape,
        );
      },
      mean,
      variance,
    );
  }

  /** The directions of optimizers from the gradient of one batch, in the engine. */
  async directions(
    params: Tree,
    optimizers: readonly LawOptimizer[],
    secondMoment: Tree,
    batch: EngineBatch,
  ): Promise<readonly Tree[]> {
    const key = JSON.stringify(optimizers);
    const program = this.#directions.get(key) ?? compiledDirections(this.task, optimizers, this.#options);
    this.#directions.set(key, program);
    return program(params, secondMoment, batch);
  }

  /** `φᵀg` and `φᵀHφ` for each direction, with gradient and Hessian of a batch that the directions don't know. */
  async moments(
    params: Tree,
    directions: readonly Tree[],
    batch: EngineBatch,
  ): Promise<{ alignment: ArrayLike<number>; curvature: ArrayLike<number> }> {
    const { alignment, curvature } = await this.#moments(params, directions, batch);
    return { alignment: await alignment.data(), curvature: await curvature.data() };
  }

  /** `λ_max(P⁻¹H)` of a batch's Hessian; P = 1 without `preconditioner`, whose elements are in the order of `tree.flatten`. */
  async sharpness(
    params: Tree,
    batch: EngineBatch,
    options: { readonly products: number; readonly preconditioner?: ArrayLike<number> },
  ): Promise<Sharpness> {
    const { products: numSteps, ...preconditioned } = options;
    const like = this.task.init(1);
    try {
      return await sharpness((vector) => this.#curved(params, vector, batch), like, {
        key: random.key(1),
        numSteps,
        ...preconditioned,
      });
    } finally {
      tree.dispose(like);
    }
  }

  /** The loss of a batch at `params − η·direction`. */
  async lossAfter(params: Tree, direction: Tree, learningRate: number, batch: EngineBatch): Promise<number> {
    return numberOf(await this.#movedLoss(params, direction, scalar(learningRate), batch));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forgetSteps();
    for (const program of this.#directions.values()) await program.dispose();
    await this.#loss.dispose();
    await this.#movedLoss.dispose();
    await this.#moments.dispose();
    await this.#curved.dispose();
  }
}

function compiledDirections(
  task: LawTask,
  optimizers: readonly LawOptimizer[],
  options: { readonly threads?: number },
) {
  return compile(
    (params: Tree, secondMoment: Tree, batch: Tree): Tree[] => {
      const [loss, gradient] = lossAndGradient((p) => task.loss(p, batch), params);
      loss.dispose();
      const directions = optimizers.map((optimizer) =>
        stepDirection(optimizer)(tree.ref(gradient), tree.ref(secondMoment)),
      );
      tree.dispose([gradient, secondMoment]);
      return directions;
    },
    { ...options, outputs: "engine" },
  );
}

function lossAndGradient(loss: (p: Tree) => np.Array, params: Tree): [np.Array, Tree] {
  return (valueAndGrad(loss) as (p: Tree) => [np.Array, Tree])(params);
}

function dot(a: Tree, b: Tree): np.Array {
  const products = tree.leaves(mapArrays((x, y) => x.mul(y).sum(), a, b)) as np.Array[];
  return products.reduce((x, y) => x.add(y));
}

/** A copy of arrays of the engine, which outlives their state. */
function copied(root: Tree, change: (value: number) => number = (value) => value): Tree {
  return tree.map(
    (array: EngineArray) => EngineArray.from((array.data as Float32Array).map(change), array.shape),
    root,
  );
}
