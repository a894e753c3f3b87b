import assert from "node:assert/strict";
import { test } from "node:test";
import { jit, numpy as np, random, tree } from "@jax-js/jax";
import { Matrix } from "ml-matrix";
import { compile, compileStep, toEngine } from "../compile/index.ts";
import { ConfigError, NonFiniteError, ShapeError } from "../errors.ts";
import { mapArrays, type Tree } from "../optim/index.ts";
import {
  addGradientMoments,
  type CurvatureSums,
  curvatureSample,
  curvatureSums,
  type GradientMoments,
  gradientStatistics,
  initGradientMoments,
  type MeanEstimate,
} from "./index.ts";
import { float32, symmetricMatrix, uniformNumbers } from "./testing/problems.ts";

const size = 8;
const hessian = symmetricMatrix(size, 21).add(Matrix.eye(size, size));
const linear = uniformNumbers(22, size);
const place = uniformNumbers(23, size);
const noiseScale = [1.5, 0.2, 1, 0.5, 2, 0.1, 0.7, 1.2];
const batchSize = 4;

/**
 * A mean over samples `x, y` of a batch of `½wᵀHw·(1 + y) + (c + x)ᵀw`, with `y` of mean 0: Hessian and gradient are both noisy,
 * and noisy together where the batch is the same.
 */
const loss = (w: Tree, { x, y }: { x: np.Array; y: np.Array }) => {
  const h = float32(hessian.to1DArray(), [size, size]);
  const curve = np.dot(w.ref, np.matmul(h, w.ref)).mul(0.5).mul(y.add(1).mean());
  return curve.add(np.dot(x.mean(0).add(float32(linear)), w));
};

function batch(key: np.Array) {
  const [a, b] = [key.ref.slice(0), key.slice(1)];
  const y = random.bernoulli(a, 0.5, [batchSize]).astype(np.float32).sub(0.5);
  return { x: random.normal(b, [batchSize, size]).mul(float32(noiseScale)), y };
}

/** What the sums are, by hand. `y` has the variance ¼, so it adds `¼·Hw(Hw)ᵀ` to the covariance of the gradient. */
function exactSums(direction: readonly number[]) {
  const column = (values: readonly number[]) => Matrix.columnVector([...values]);
  const image = hessian.mmul(column(place));
  const g = image.clone().add(column(linear));
  const sigma = Matrix.diag(noiseScale.map((s) => s * s))
    .add(image.mmul(image.transpose()).mul(0.25))
    .mul(1 / batchSize);
  const form = (v: Matrix) => v.transpose().mmul(hessian).mmul(v).get(0, 0);
  const d = column(direction);
  return {
    squaredGradient: g.transpose().mmul(g).get(0, 0),
    noise: sigma.trace(),
    gradientCurvature: form(g),
    noiseCurvature: sigma.mmul(hessian).trace(),
    trace: hessian.trace(),
    directionGradient: d.transpose().mmul(g).get(0, 0),
    directionCurvature: form(d),
  };
}

const direction = place.map(Math.sign);

/** `numSamples` repetitions through the engine, with batches and signs of their own keys. */
async function measure(
  numSamples: number,
  update?: (gradient: Tree) => Tree,
): Promise<CurvatureSums<MeanEstimate>> {
  const sampleOf = curvatureSample(loss, update === undefined ? {} : { update });
  await using compiled = compile(
    (key: np.Array) => {
      const keys = random.split(key, [4, 2]);
      const own = (i: number) => keys.ref.slice(i);
      const sums = sampleOf(
        float32(place),
        { first: batch(own(0)), second: batch(own(1)), third: batch(own(2)) },
        float32(direction),
        own(3).slice(0),
      );
      keys.dispose();
      return sums;
    },
    { threads: 1 },
  );
  return await curvatureSums(
    (index) => compiled(random.key(index)) as Promise<CurvatureSums<np.Array>>,
    numSamples,
  );
}

/** The estimate is within so many standard errors, and these are small enough to say something. */
function agrees(name: string, { value, standardError }: MeanEstimate, expected: number): void {
  // Four standard errors for each of some twenty numbers.
  assert.ok(
    Math.abs(value - expected) < 4 * standardError,
    `${name}: ${value} ± ${standardError}, not ${expected}`,
  );
}

/** With the default update, for two tests. */
const signSums = measure(500);

test("sums of a noisy quadratic are unbiased, though gradient and Hessian share their noise", async () => {
  const found = await signSums;
  const expected = exactSums(direction);
  for (const [name, value] of Object.entries(expected))
    agrees(name, found[name as keyof typeof expected], value);
  // aᵀCa, of one batch, would be larger by tr ΣH: that is far outside the error, so the test would see it.
  assert.ok(expected.noiseCurvature > 5 * found.gradientCurvature.standardError);
  assert.ok(expected.noise > 5 * found.squaredGradient.standardError);
});

test("for the gradient itself as update, the general law is that of SGD", async () => {
  const found = await measure(300, (gradient) => gradient);
  const { squaredGradient, gradientCurvature, noiseCurvature } = exactSums(direction);
  agrees("E[φ]ᵀg", found.updateGradient, squaredGradient);
  agrees("E[φᵀHφ]", found.updateCurvature, gradientCurvature + noiseCurvature);
});

test("for signs, the expectations are those of independent draws", async () => {
  const found = await signSums;
  // By brute force, in plain numbers: 40,000 gradients.
  const image = hessian.mmul(Matrix.columnVector(place)).to1DArray();
  const normal = (a: number, b: number) =>
    Math.sqrt(-2 * Math.log((a + 1) / 2 + 1e-12)) * Math.cos(Math.PI * b);
  const draws = 40_000;
  const numbers = uniformNumbers(77, draws * (2 * size + batchSize));
  let [gradient, curvature] = [0, 0];
  for (let i = 0; i < draws; i++) {
    const own = numbers.slice(i * (2 * size + batchSize), (i + 1) * (2 * size + batchSize));
    const y = own.slice(2 * size).reduce((sum, u) => sum + (u < 0 ? -0.5 : 0.5), 0) / batchSize;
    const signs = noiseScale.map((s, j) =>
      Math.sign(
        image[j]! * (1 + y) + linear[j]! + (s / Math.sqrt(batchSize)) * normal(own[2 * j]!, own[2 * j + 1]!),
      ),
    );
    gradient += signs.reduce((sum, s, j) => sum + s * (image[j]! + linear[j]!), 0) / draws;
    const v = Matrix.columnVector(signs);
    curvature += v.transpose().mmul(hessian).mmul(v).get(0, 0) / draws;
  }
  agrees("E[φ]ᵀg", found.updateGradient, gradient);
  agrees("E[φᵀHφ]", found.updateCurvature, curvature);
});

test("a sample is the same eagerly, under jit and compiled", async () => {
  const sample = curvatureSample(loss);
  const run = (key: np.Array) => {
    const keys = random.split(key, [4, 2]);
    const own = (i: number) => keys.ref.slice(i);
    const batches = { first: batch(own(0)), second: batch(own(1)), third: batch(own(2)) };
    const sums = sample(float32(place), batches, float32(direction), own(3).slice(0));
    keys.dispose();
    return sums;
  };
  const values = async (sums: CurvatureSums<np.Array>) =>
    Promise.all(Object.keys(exactNames).map(async (name) => (await sums[name as "trace"].data())[0]!));
  const eager = await values(run(random.key(7)));
  await using compiled = compile(run);
  const others = [
    await values((jit(run as never) as never as typeof run)(random.key(7))),
    await values((await compiled(random.key(7))) as CurvatureSums<np.Array>),
  ];
  // Sums of 64 terms around 1 in float32.
  for (const other of others) {
    other.forEach((value, i) => {
      assert.ok(Math.abs(value - eager[i]!) < 1e-4, `${value} ${eager[i]}`);
    });
  }
});

test("impossible arguments and sums that aren't finite are refused", async () => {
  const sums = (value: number) =>
    Object.fromEntries(
      Object.keys(exactNames).map((name) => [name, np.array(value)]),
    ) as never as CurvatureSums<np.Array>;
  await assert.rejects(
    curvatureSums(() => sums(1), 1),
    ConfigError,
  );
  await assert.rejects(
    curvatureSums(() => sums(Number.NaN), 2),
    NonFiniteError,
  );
  const params = float32(place);
  const foreign = np.ones([3]);
  const batches = { first: null, second: null, third: null };
  assert.throws(() => curvatureSample(loss)(params, batches, foreign, foreign), ShapeError);
  assert.equal(params.refCount, 1);
  tree.dispose([params, foreign]);
});

const exactNames: Record<keyof CurvatureSums<unknown>, true> = {
  squaredGradient: true,
  noise: true,
  gradientCurvature: true,
  noiseCurvature: true,
  trace: true,
  updateGradient: true,
  updateCurvature: true,
  directionGradient: true,
  directionCurvature: true,
};

/** A loss whose gradient is the batch itself. */
const gradientIsBatch = ({ a, b }: { a: np.Array; b: np.Array }, { x, y }: { x: np.Array; y: np.Array }) =>
  np.dot(a, x).add(np.dot(b, y));

const zeros = () => ({ a: np.zeros([3]), b: np.zeros([2]) });
/** Gradients around 1000 with a deviation of about ½: in float32 a difference of mean squares would lose it. */
const gradients = Array.from({ length: 12 }, (_, i) => uniformNumbers(100 + i, 5).map((u) => 1000 + u));
const batchOf = (values: readonly number[]) => ({
  x: float32(values.slice(0, 3)),
  y: float32(values.slice(3)),
});

test("moments over twelve batches are those of two passes in float64: eager, jit, and as a compiled step with state", async () => {
  const add = addGradientMoments(gradientIsBatch);
  const run = (step: typeof add) => {
    let moments = initGradientMoments(zeros());
    for (const values of gradients) moments = step(moments, zeros(), batchOf(values));
    return moments;
  };
  await using step = compileStep(
    (state: GradientMoments, params: Tree, x: Tree): [GradientMoments, { done: np.Array }] => [
      add(state, params, x),
      { done: np.array(0) },
    ],
  );
  using state = await step.init(initGradientMoments(zeros()));
  const params = (await toEngine(zeros())) as Tree;
  for (const values of gradients) await step(state, params as never, batchOf(values) as never);
  for (const moments of [run(add), run(jit(add as never) as never), state.leaves() as never]) {
    const found = await gradientStatistics(moments as GradientMoments);
    assert.equal(found.count, 12);
    let [noise, squared] = [0, 0];
    for (let i = 0; i < 5; i++) {
      const column = gradients.map((row) => Math.fround(row[i]!));
      const mean = column.reduce((sum, x) => sum + x / 12, 0);
      const variance = column.reduce((sum, x) => sum + (x - mean) ** 2 / 11, 0);
      noise += variance;
      squared += mean * mean;
      // Float32 rounds numbers around 1000 by 3e-5, some at each of twelve steps.
      assert.ok(Math.abs(found.mean[i]! - mean) < 3e-4, `${found.mean[i]} ${mean}`);
      assert.ok(
        Math.abs(found.variance[i]! - variance) < 1e-3 * variance,
        `${found.variance[i]} ${variance}`,
      );
    }
    assert.ok(Math.abs(found.noise / noise - 1) < 1e-3);
    assert.ok(Math.abs(found.squaredNorm - (squared - noise / 12)) < 1e-6 * squared);
  }
});

test("|g|² and tr Σ are unbiased: over many small groups they average to the truth", async () => {
  const truth = [0.3, -0.2, 0.1, 0, 0.4];
  const squares: number[] = [];
  const noises: number[] = [];
  const add = jit(addGradientMoments(gradientIsBatch as never) as never) as never as ReturnType<
    typeof addGradientMoments
  >;
  const numbers = uniformNumbers(1000, 3000);
  for (let group = 0; group < 200; group++) {
    let moments = initGradientMoments(zeros());
    for (let i = 0; i < 3; i++) {
      const values = truth.map((g, j) => g + numbers[15 * group + 5 * i + j]!);
      moments = add(moments, zeros(), batchOf(values));
    }
    const { squaredNorm, noise } = await gradientStatistics(moments);
    squares.push(squaredNorm);
    noises.push(noise);
  }
  const check = (values: number[], expected: number) => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    const error = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0)) / values.length;
    assert.ok(Math.abs(mean - expected) < 4 * error, `${mean} ± ${error}, not ${expected}`);
  };
  check(squares, 0.3);
  // Uniform numbers on [−1, 1) have the variance ⅓.
  check(noises, 5 / 3);
  assert.ok(
    squares.some((x) => x < 0),
    "an unbiased estimate may be negative",
  );
});

test("zero gradients have no noise; NaN, one batch and foreign trees are refused", async () => {
  const add = addGradientMoments(gradientIsBatch);
  const after = (count: number, value: number) => {
    let moments = initGradientMoments(zeros());
    for (let i = 0; i < count; i++) moments = add(moments, zeros(), batchOf(Array(5).fill(value)));
    return moments;
  };
  const none = await gradientStatistics(after(3, 0));
  assert.deepEqual([none.noise, none.squaredNorm], [0, 0]);
  await assert.rejects(gradientStatistics(after(1, 1)), ConfigError);
  await assert.rejects(gradientStatistics(after(2, Number.NaN)), NonFiniteError);
  const moments = initGradientMoments(mapArrays((x) => x, { a: np.zeros([3]) }));
  const params = zeros();
  assert.throws(() => add(moments, params, batchOf([1, 2, 3, 4, 5])), ShapeError);
  assert.equal(params.a.refCount, 1);
  assert.throws(() => initGradientMoments({}), ShapeError);
});
