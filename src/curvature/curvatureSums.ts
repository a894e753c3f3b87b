import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { mapArrays, type Tree } from "../optim/index.ts";
import { gradientOf, hessianVectorProducts } from "./hessianVectorProduct.ts";
import { rademacherLike } from "./hutchinson.ts";
import { checkParameters, checkSameTree, flatten, treeDot } from "./parameterTree.ts";
import { type MeanEstimate, RunningMoments } from "./runningMoments.ts";

/** A scalar loss of parameters on a batch; consumes both. */
export type BatchLoss = (params: Tree, batch: Tree) => np.Array;

/**
 * The sums that decide the best learning rate, at one place. `g` and `H`: gradient and Hessian of the expected loss; `Σ`: covariance
 * of the gradient of one batch of the size that was measured (times that size: of one sample); `φ̃`: the update from the gradient
 * of one batch; `d`: a direction that was given.
 */
export interface CurvatureSums<T> {
  /** `gᵀg` */
  readonly squaredGradient: T;
  /** `tr Σ` */
  readonly noise: T;
  /** `gᵀHg` */
  readonly gradientCurvature: T;
  /** `tr ΣH` */
  readonly noiseCurvature: T;
  /** `tr H` */
  readonly trace: T;
  /** `E[φ̃]ᵀg` */
  readonly updateGradient: T;
  /** `E[φ̃ᵀHφ̃]` */
  readonly updateCurvature: T;
  /** `dᵀg` */
  readonly directionGradient: T;
  /** `dᵀHd`; for `d = sign(g)` this is `sᵀHs`. */
  readonly directionCurvature: T;
}

const names = [
  "squaredGradient",
  "noise",
  "gradientCurvature",
  "noiseCurvature",
  "trace",
  "updateGradient",
  "updateCurvature",
  "directionGradient",
  "directionCurvature",
] as const satisfies readonly (keyof CurvatureSums<unknown>)[];

/** Three batches that were drawn independently of each other, of one shape. */
export interface IndependentBatches {
  readonly first: Tree;
  readonly second: Tree;
  readonly third: Tree;
}

export interface CurvatureSampleOptions {
  /** The update `φ̃` from the gradient of a batch, which it consumes. Default: sign. */
  readonly update?: (gradient: Tree) => Tree;
}

/**
 * One unbiased sample of {@link CurvatureSums} from three independent batches: gradients `a` and `b` of the first two, Hessian `C`
 * of the third, random signs `v`:
 *
 * `aᵀb`, `½|a − b|²`, `aᵀCb`, `½(a − b)ᵀC(a − b)`, `vᵀCv`, `φ(a)ᵀb`, `φ(a)ᵀCφ(a)`, `½dᵀ(a + b)`, `dᵀCd`.
 *
 * A product of factors that share a batch would be biased: `aᵀCa` has the expectation `gᵀHg + tr ΣH`. Costs two gradients and
 * five products with one Hessian (inside `compile` about 13 gradients).
 *
 * @param loss - traceable
 * @returns `(params, batches, direction, key) => sums`, each `float32[]`; consumes all, traceable by `jit` and `compile`. `direction`
 *   has the shapes of `params`, for instance the signs of a mean gradient that other batches gave.
 * @throws ShapeError (from the result) if `direction` or an update belongs to another tree
 *
 * Source: Su-10542, whose best learning rate is `E[φ̃]ᵀg / E[φ̃ᵀHφ̃]`; McCandlish et al., arXiv 1812.06162, for SGD.
 *
 * @example
 * ```ts
 * const loss = (w: np.Array, target: np.Array) => np.square(w.sub(target)).sum();
 * const batch = (value: number) => np.array([value, value]);
 * const batches = { first: batch(0), second: batch(0), third: batch(0) };
 * // The gradient is 2w = (2, 4) for every batch, the Hessian 2I.
 * const sums = curvatureSample(loss)(np.array([1, 2]), batches, np.array([1, 1]), random.key(0));
 * const { squaredGradient, gradientCurvature, trace } = sums;
 * [squaredGradient, gradientCurvature, trace].map((x) => x.item()); // => [20, 40, 4]
 * ```
 */
export function curvatureSample(
  loss: BatchLoss,
  { update = sign }: CurvatureSampleOptions = {},
): (params: Tree, batches: IndependentBatches, direction: Tree, key: np.Array) => CurvatureSums<np.Array> {
  return (params, { first, second, third }, direction, key) => {
    checkParameters("curvatureSample", params);
    checkSameTree("curvatureSample direction", params, direction);
    const on = (batch: Tree) => (p: Tree) => loss(p, tree.ref(batch));
    const gradientOn = (batch: Tree) => gradientOf(on(batch))(tree.ref(params));
    const [a, b] = [gradientOn(first), gradientOn(second)];
    const step = update(tree.ref(a));
    checkSameTree("curvatureSample update", params, step);
    const signs = rademacherLike(key, params);
    const vectors = [a, b, step, signs, direction];
    const { gradient, products } = hessianVectorProducts(on(third))(
      params,
      vectors.map((vector) => tree.ref(vector)),
    );
    tree.dispose([gradient, first, second, third]);
    const [ca, cb, cStep, cSigns, cDirection] = products;
    const half = (x: np.Array) => x.mul(0.5);
    const difference = mapArrays((x, y) => x.sub(y), tree.ref(a), tree.ref(b));
    const curvedDifference = mapArrays((x, y) => x.sub(y), ca, tree.ref(cb));
    const sum = mapArrays((x, y) => x.add(y), tree.ref(a), tree.ref(b));
    return {
      squaredGradient: treeDot(tree.ref(a), tree.ref(b)),
      noise: half(treeDot(tree.ref(difference), tree.ref(difference))),
      gradientCurvature: treeDot(a, cb),
      noiseCurvature: half(treeDot(difference, curvedDifference)),
      trace: treeDot(signs, cSigns),
      updateGradient: treeDot(tree.ref(step), b),
      updateCurvature: treeDot(step, cStep),
      directionGradient: half(treeDot(tree.ref(direction), sum)),
      directionCurvature: treeDot(direction, cDirection),
    };
  };
}

/** Signs of a gradient, 0 for 0. */
function sign(gradient: Tree): Tree {
  return mapArrays((g) => np.sign(g), gradient);
}

/**
 * Means of independent samples with standard errors, which hold the noise of the batches and of the probes.
 *
 * @param sample - called once per repetition, with batches that no other call has; for instance a compiled {@link curvatureSample}
 * @param numSamples - at least 2
 * @throws ConfigError with fewer than two samples; NonFiniteError if a sum isn't finite
 *
 * @example
 * ```ts
 * const loss = (w: np.Array, target: np.Array) => np.square(w.sub(target)).sum();
 * const batch = (value: number) => np.array([value, value]);
 * const { trace } = await curvatureSums((index) => {
 *   const batches = { first: batch(index), second: batch(index + 10), third: batch(index + 20) };
 *   return curvatureSample(loss)(np.array([1, 2]), batches, np.array([1, 1]), random.key(index));
 * }, 4);
 * trace; // => { value: 4, standardError: 0, count: 4 }
 * ```
 */
export async function curvatureSums(
  sample: (index: number) => Promise<CurvatureSums<np.Array>> | CurvatureSums<np.Array>,
  numSamples: number,
): Promise<CurvatureSums<MeanEstimate>> {
  if (!Number.isInteger(numSamples) || numSamples < 2) {
    throw new ConfigError(
      `curvatureSums numSamples ${numSamples}: expected an integer ≥ 2, for a standard error`,
    );
  }
  const moments = new RunningMoments(names.length);
  for (let index = 0; index < numSamples; index++) {
    const sums = await sample(index);
    const values = await flatten(
      "curvatureSums",
      names.map((name) => sums[name]),
    );
    if (values.length !== names.length)
      throw new ShapeError(`curvatureSums: got ${values.length} numbers, expected ${names.length}`);
    moments.add(values);
  }
  return Object.fromEntries(
    names.map((name, i) => [name, moments.estimate(i)]),
  ) as unknown as CurvatureSums<MeanEstimate>;
}
