import { type EngineTree, placementOf } from "../compile/index.ts";
import type { BatchLoss } from "../curvature/index.ts";
import { normalSampler } from "../numbers/index.ts";
import type { Tree } from "../optim/index.ts";
import {
  type CheckpointLaw,
  checkpointLaw,
  type DirectionSample,
  type GradientGram,
  type MeasuredLevel,
  type MeasuredUpdate,
  pairNoise,
} from "../scaling/index.ts";
import { predictedUpdateRms } from "./adamUpdateSize.ts";
import { FlatLoss, type Vector } from "./flatLoss.ts";
import { elementNoise, innerProducts, meanVector } from "./innerProducts.ts";
import {
  type BatchLevel,
  groupsOf,
  type MeasureOptions,
  type MeasurePlan,
  planMeasurement,
} from "./measurePlan.ts";
import type { DirectionNoise, UpdateDirection } from "./updateDirection.ts";

/** A loss at a place, with data. */
export interface CheckpointProblem {
  /** Parameters, in the engine; left alone. */
  readonly params: Tree;
  /** Mean loss of a batch, traceable; consumes both arguments. */
  readonly loss: BatchLoss;
  /**
   * Samples `start … start + count − 1` of a sequence of samples that were drawn independently: a batch of `count`. Integers and
   * floats alike; arrays of the engine or of jax-js.
   */
  batch(start: number, count: number): EngineTree<Tree>;
  /** See {@link updateDirection}. */
  readonly direction: UpdateDirection;
  /** For the predicted size of Adam's update: its b1 and the samples of a step of the run. */
  readonly adam?: { readonly b1: number; readonly batchSize: number } | null;
}

/** A step of η* on other data. */
export interface QuadraticTrial {
  readonly batchSize: number;
  readonly learningRate: number;
  /** Mean decrease of the loss to second order, and in truth, over the same updates and batches. */
  readonly predicted: number;
  readonly actual: number;
}

/** What a checkpoint says of learning rates, with what it cost. */
export interface Measurement extends CheckpointLaw {
  /** φ in words. */
  readonly direction: string;
  readonly notes: readonly string[];
  /** Null where η* has no finite value. */
  readonly trial: QuadraticTrial | null;
  /** Root mean square of Adam's update in mean field; null for others. */
  readonly predictedUpdateRms: number | null;
  readonly cost: {
    /** Samples whose gradient was taken. */
    readonly gradientSamples: number;
    readonly hessianProducts: number;
    readonly hessianBatchSize: number;
  };
}

/**
 * Measures at one checkpoint what decides the best learning rate, without training: gradients of n microbatches, whose inner products
 * give `|g|²` and `tr Σ`; products with Hessians of other batches; and for updates φ of batches of several sizes `φᵀg` and `φᵀHφ`.
 *
 * Gradients of all microbatches are kept. A nonlinear update of a batch of size B is computed from the mean of B/b microbatches, of
 * at most half of them. A linear one is computed from each microbatch, for any B.
 *
 * @returns the measurement; intervals are those of a bootstrap
 * @throws ConfigError for options that can't be used; NonFiniteError if a gradient isn't finite
 *
 * Source: Su-10542, the general law.
 */
export async function measureCheckpoint(
  problem: CheckpointProblem,
  options: MeasureOptions = {},
): Promise<Measurement> {
  const { params, loss, batch, direction } = problem;
  const { seed = 0, onProgress = () => {} } = options;
  const flat = new FlatLoss(params, loss, placementOf(options));
  try {
    const plan = planMeasurement(flat.size, direction, options);
    const { microbatches: n, microbatchSize: b, probes, hessianBatchSize, levels, linear } = plan;
    const { memory } = direction;
    const total = plan.numGradients + plan.numProducts;
    let done = 0;
    const progress = (by: number) => {
      done += by;
      onProgress(done, total);
    };

    const gradients: Vector[] = [];
    for (let i = 0; i < n; i++) {
      gradients.push(await flat.gradient(batch(i * b, b)));
      progress(1);
    }
    const gram: GradientGram = { count: n, microbatchSize: b, products: innerProducts(gradients, gradients) };
    const { variance, excessKurtosis } = elementNoise(gradients);
    const mean = meanVector(gradients);
    const squares = mean.map((value, i) => value * value - variance[i]! / n);
    const noise: DirectionNoise = {
      ...pairNoise(gram),
      variance: variance.map((value) => value * b),
      meanSquares: squares.map((value) => Math.max(0, value)),
    };

    // Random numbers of another seed than the bootstrap's.
    const draw = normalSampler(-1 - seed);
    const half = Math.floor(n / 2);
    const [firstHalf, secondHalf] = [gradients.slice(0, half), gradients.slice(half)];
    const signsOf = (vectors: readonly Vector[]) => meanVector(vectors).map(Math.sign) as Vector;
    const signs = [signsOf(firstHalf), signsOf(secondHalf)] as const;
    const rows = Array.from({ length: probes }, (_, r) => Math.floor((r * n) / probes));

    const batchSizeOf = ({ numSamples }: BatchLevel) => numSamples / memory;
    const alignments: Float64Array[] = [];
    // The updates whose products with a Hessian are wanted, level by level.
    const kept: Vector[][] = [];
    for (const level of levels) {
      const parts: Float64Array[] = [];
      const ours: Vector[] = [];
      for (const [k, members] of level.members.entries()) {
        let source: Vector;
        if (members.length > 0) source = meanVector(members.map((i) => gradients[i]!));
        else {
          source = await flat.gradient(batch(level.start + k * level.numSamples, level.numSamples));
          progress(1);
        }
        const update = await direction.apply(source, batchSizeOf(level), noise);
        if (k < level.numCurved) ours.push(update);
        parts.push(innerProducts([update], gradients));
      }
      alignments.push(joined(parts));
      kept.push(ours);
    }
    const signLevels = [1, Math.max(1, Math.floor(n / 4))].map((size) => ({
      batchSize: size * b,
      alignment: signAlignment(gradients, size),
    }));

    const trace: number[] = [];
    const signCurvature: number[] = [];
    const gradientRows: Float64Array[] = [];
    const levelRows: Float64Array[][] = levels.map(() => []);
    const linearAlignments: Float64Array[] = [];
    const linearRows: Float64Array[][] = linear.map(() => []);
    for (const batchSize of linear) {
      const parts: Float64Array[] = [];
      for (const gradient of gradients)
        parts.push(innerProducts([await direction.apply(gradient, batchSize, noise)], gradients));
      linearAlignments.push(joined(parts));
    }
    const hessianBatch = (r: number) => batch(n * b + r * hessianBatchSize, hessianBatchSize);
    for (let r = 0; r < probes; r++) {
      const probe = new Float32Array(flat.size).map(() => (draw() < 0 ? -1 : 1)) as Vector;
      const single = gradients[rows[r]!]!;
      const vectors: Vector[] = [probe, signs[r % 2]!, single];
      const present = [...levels.keys()].filter((i) => r < levels[i]!.numCurved);
      for (const i of present) vectors.push(kept[i]![r]!);
      for (const batchSize of linear) vectors.push(await direction.apply(single, batchSize, noise));
      const products = await flat.products(() => hessianBatch(r), vectors);
      progress(vectors.length);
      trace.push(innerProducts([products[0]!], [probe])[0]!);
      signCurvature.push(innerProducts([products[1]!], [signs[r % 2]!])[0]!);
      gradientRows.push(innerProducts([products[2]!], gradients));
      for (const [i, level] of present.entries())
        levelRows[level]!.push(innerProducts([products[3 + i]!], kept[level]!));
      for (const [i, batchSize] of linear.entries()) {
        const image = await direction.apply(products[3 + present.length + i]!, batchSize, noise);
        linearRows[i]!.push(innerProducts([image], gradients));
      }
    }

    const each = Array.from({ length: n }, (_, i) => i);
    const perGradient = (
      alignment: ArrayLike<number>,
      curvature: readonly Float64Array[],
    ): DirectionSample => ({
      numGradients: n,
      members: each.map((i) => [i]),
      alignment,
      curved: rows,
      against: each,
      curvature: joined(curvature),
    });
    const measured: MeasuredLevel[] = [
      ...linear.map((batchSize, i) => ({
        batchSize,
        noiseFactor: b / batchSize,
        sample: perGradient(linearAlignments[i]!, linearRows[i]!),
      })),
      ...levels.map((level, i) => {
        const curved = Array.from({ length: level.numCurved }, (_, k) => k);
        return {
          batchSize: batchSizeOf(level),
          noiseFactor: memory,
          sample: {
            numGradients: n,
            members: level.members,
            alignment: alignments[i]!,
            curved,
            against: curved,
            curvature: joined(levelRows[i]!),
          },
        };
      }),
    ];
    const update: MeasuredUpdate =
      direction.kind === "gradient"
        ? { kind: "gradient", scale: direction.scale, clipNorm: direction.clipNorm }
        : { kind: "levels", levels: measured };
    const law = checkpointLaw(
      {
        gram,
        gradient: perGradient(gram.products, gradientRows),
        trace,
        signs: {
          alignment: [...innerProducts([signs[1]], firstHalf), ...innerProducts([signs[0]], secondHalf)],
          curvature: signCurvature,
          levels: signLevels,
        },
        excessKurtosis,
        update,
        family: direction.family,
        memory,
      },
      options,
    );
    const trial = await tryStep(law, flat, plan, direction, gradients, noise, hessianBatch);
    return {
      ...law,
      direction: direction.description,
      notes: direction.notes,
      trial,
      predictedUpdateRms:
        problem.adam == null
          ? null
          : predictedUpdateRms(
              { squares, variance: noise.variance },
              problem.adam.batchSize,
              problem.adam.b1,
            ),
      cost: { gradientSamples: plan.gradientSamples, hessianProducts: plan.numProducts, hessianBatchSize },
    };
  } finally {
    await flat.dispose();
  }
}

/** Rows one after the other. */
const joined = (rows: readonly Float64Array[]) => Float64Array.from(rows.flatMap((row) => [...row]));

/** `E[sign(g̃_B)]ᵀg` of groups of microbatches with the gradients of the others. */
function signAlignment(gradients: readonly Vector[], size: number): number {
  let [sum, count] = [0, 0];
  for (const own of groupsOf(gradients.length, size)) {
    const signs = meanVector(own.map((i) => gradients[i]!)).map(Math.sign);
    for (const [j, product] of innerProducts([signs], gradients).entries()) {
      if (own.includes(j)) continue;
      sum += product;
      count++;
    }
  }
  return sum / count;
}

/**
 * Takes steps of η* and looks at the loss of other batches, which says whether the loss is quadratic over such a step. The batch size
 * is the one of the table nearest to a quarter of the samples; the updates are those of single batches, without memory.
 */
async function tryStep(
  law: CheckpointLaw,
  flat: FlatLoss,
  { microbatches, microbatchSize, probes }: MeasurePlan,
  direction: UpdateDirection,
  gradients: readonly Vector[],
  noise: DirectionNoise,
  hessianBatch: (r: number) => EngineTree<Tree>,
): Promise<QuadraticTrial | null> {
  const size = Math.max(1, Math.floor(microbatches / 4));
  const batchSize = (size * microbatchSize) / direction.memory;
  const learningRate = law.predict(batchSize).learningRate.value;
  if (!(learningRate > 0 && Number.isFinite(learningRate))) return null;
  let [predicted, actual] = [0, 0];
  const groups = groupsOf(microbatches, size).slice(0, probes);
  for (const [r, own] of groups.entries()) {
    const update = await direction.apply(meanVector(own.map((i) => gradients[i]!)), batchSize, noise);
    const rate = (factor: number) => flat.after(update, factor * learningRate, hessianBatch(r));
    const start = await rate(0);
    // A tenth of the step both ways gives slope and curvature of this update on this batch.
    const [ahead, back] = [await rate(0.1), await rate(-0.1)];
    const [slope, curvature] = [(ahead - back) / 0.2, (ahead + back - 2 * start) / 0.01];
    predicted -= (slope + curvature / 2) / groups.length;
    actual += (start - (await rate(1))) / groups.length;
  }
  return { batchSize, learningRate, predicted, actual };
}
