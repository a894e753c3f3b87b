import { numpy as np, tree } from "@jax-js/jax";
import { checkFraction, checkNonNegative, checkPositive } from "../numberChecks.ts";
import { fraction, nonNegative, type OptionTable, withDefaults } from "../options/index.ts";
import {
  type GradientTransformation,
  mapArrays,
  stateless,
  type Tree,
  zerosLike,
} from "./gradientTransformation.ts";
import { type Schedule, type ScheduleOrNumber, toSchedule } from "./schedule.ts";

/** The count of a state that has seen no step. */
export const zeroCount = () => np.array(0, { dtype: np.int32 });

/**
 * Updates times a number.
 *
 * @example
 * ```ts
 * const { update, init } = scale(-0.1);
 * const [updates] = update(np.array([3, 4]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [-0.300, -0.400]
 * ```
 */
export function scale(factor: number): GradientTransformation {
  return stateless((updates, params) => {
    tree.dispose(params);
    return mapArrays((u) => u.mul(factor), updates);
  });
}

/**
 * Updates times a number for each parameter, by its dotted path: after an optimizer, a factor on its learning rate.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByPath((path) => (path === "head" ? 0.1 : 1));
 * const params = { up: np.zeros([1]), head: np.zeros([1]) };
 * const [updates] = update({ up: np.array([2]), head: np.array([2]) }, init(tree.ref(params)), params);
 * updates.up; // => [2]
 * updates.head; // => [0.200]
 * ```
 */
export function scaleByPath(factor: (path: string) => number): GradientTransformation {
  return stateless((updates, params) => {
    tree.dispose(params);
    const scaled = treePaths(updates).map(({ path, array }) => {
      const own = factor(path);
      return own === 1 ? array : array.mul(own);
    });
    return tree.unflatten(tree.structure(updates), scaled);
  });
}

/**
 * Updates times `−schedule(count)`, so that adding them descends. The state counts the steps.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByLearningRate(warmupCosine({ peak: 1, warmupSteps: 1, numSteps: 10 }));
 * const w = np.zeros([1]);
 * const [first, state] = update(np.array([1]), init(w.ref), w.ref);
 * const [second] = update(np.array([1]), state, w);
 * first; // => [-0.500]
 * second; // => [-1.000]
 * ```
 */
export function scaleByLearningRate(learningRate: ScheduleOrNumber): GradientTransformation {
  const schedule = toSchedule(learningRate);
  return {
    init(params) {
      tree.dispose(params);
      return { count: zeroCount() };
    },
    update(updates, { count }, params) {
      tree.dispose(params);
      const factor = np.negative(schedule(count.ref));
      const factors = factorsOf(schedule, updates);
      let index = 0;
      const scaled = mapArrays((u) => {
        const own = factors?.[index++] ?? 1;
        return u.mul(own === 1 ? factor.ref : factor.ref.mul(own));
      }, updates);
      factor.dispose();
      return [scaled, { count: count.add(1) }];
    },
  };
}

/** Factors of a schedule for the arrays of a tree, in the order of `mapArrays`; null if it has none. Nothing is consumed. */
export function factorsOf({ factorOf }: Schedule, root: Tree): readonly number[] | null {
  return factorOf === undefined
    ? null
    : treePaths(root).map(({ path, array }) => factorOf(path, array.shape));
}

/** Which parameters decay, by dotted path (`"blocks.0.mlp.up"`) and shape; a number multiplies the strength. */
export type DecayMask = (path: string, shape: readonly number[]) => boolean | number;

/**
 * Adds `weightDecay·w` to the update of every parameter that the mask admits. Placed before
 * {@link scaleByLearningRate} this is decoupled decay multiplied by the learning rate, as in torch.optim.AdamW and Optax.
 *
 * @param mask - by path (`"blocks.0.mlp.up"`) and shape; by default every parameter decays. A number multiplies `weightDecay`.
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101; there the decay is multiplied by the schedule only, not by its peak.
 *
 * @example
 * ```ts
 * const { update, init } = addDecayedWeights(0.1, (path, shape) => shape.length === 2);
 * const params = { up: np.array([[10]]), bias: np.array([10]) };
 * const gradients = { up: np.array([[1]]), bias: np.array([1]) };
 * const [updates] = update(gradients, init(tree.ref(params)), params);
 * updates.up; // => [[2.000]]
 * updates.bias; // => [1.000]
 * ```
 */
export function addDecayedWeights(weightDecay: number, mask: DecayMask = () => true): GradientTransformation {
  checkNonNegative("weightDecay", weightDecay);
  return stateless((updates, params) => {
    if (weightDecay === 0) {
      tree.dispose(params);
      return updates;
    }
    const strengths = treePaths(params).map(
      ({ path, array }) => weightDecay * Number(mask(path, array.shape)),
    );
    let index = 0;
    return mapArrays(
      (u, w) => {
        const strength = strengths[index++]!;
        if (strength > 0) return u.add(w.mul(strength));
        w.dispose();
        return u;
      },
      updates,
      params,
    );
  });
}

/**
 * The leaves of a tree with their dotted paths, in the order of `tree.flatten`; nothing is consumed.
 *
 * @example
 * ```ts
 * const params = { embedding: np.zeros([4, 2]), blocks: [{ up: np.zeros([2, 8]) }] };
 * treePaths(params).map(({ path }) => path); // => ["embedding", "blocks.0.up"]
 * ```
 */
export function treePaths(root: Tree, prefix = ""): { path: string; array: np.Array }[] {
  if (Array.isArray(root) || (typeof root === "object" && root !== null && root.constructor === Object)) {
    return Object.entries(root).flatMap(([key, value]) =>
      treePaths(value, prefix === "" ? key : `${prefix}.${key}`),
    );
  }
  return [{ path: prefix, array: root as np.Array }];
}

/** Options of Adam's moments. */
export const adamMoments = {
  b1: fraction(0.9, "Kingma & Ba"),
  b2: fraction(0.999, "Kingma & Ba"),
  eps: nonNegative(1e-8, "Kingma & Ba; torch.optim.AdamW"),
  epsRoot: nonNegative(0, "torch.optim.AdamW; Optax's `eps_root`"),
} satisfies OptionTable;

export interface ScaleByAdamOptions {
  /** Decay of the mean. Default 0.9 (Kingma & Ba). */
  readonly b1?: number;
  /** Decay of the mean square. Default 0.999 (Kingma & Ba). */
  readonly b2?: number;
  /** Added to the root. Default 1e-8 (Kingma & Ba; torch.optim.AdamW). */
  readonly eps?: number;
  /** Added under the root. Default 0 (torch.optim.AdamW; Optax's `eps_root`). */
  readonly epsRoot?: number;
}

/**
 * `m̂/(√(v̂ + epsRoot) + eps)` with `m ← b1·m + (1 − b1)·g`, `v ← b2·v + (1 − b2)·g²` and the bias corrections
 * `m̂ = m/(1 − b1ᵗ)`, `v̂ = v/(1 − b2ᵗ)`. State: `count`, `mu` (m), `nu` (v).
 *
 * The corrections are two scalars per step, `m/(√v·c1/√c2 + c1·eps)`, not passes over the parameters.
 *
 * Source: Kingma & Ba, arXiv 1412.6980, algorithm 1; semantics of torch.optim.Adam.
 *
 * @example
 * ```ts
 * const { update, init } = scaleByAdam();
 * const w = np.zeros([2]);
 * const [updates, { mu, nu }] = update(np.array([5, -0.3]), init(w.ref), w);
 * updates; // => [1.000, -1.000]
 * mu; // => [0.500, -0.030]
 * nu; // => [0.02500, 0.00009]
 * ```
 */
export function scaleByAdam(options: ScaleByAdamOptions = {}): GradientTransformation {
  const { b1, b2, eps, epsRoot } = withDefaults(adamMoments, options);
  return {
    init(params) {
      const state = { count: zeroCount(), mu: zerosLike(params), nu: zerosLike(params) };
      tree.dispose(params);
      return state;
    },
    update(updates, state, params) {
      tree.dispose(params);
      const count = state.count.add(1);
      const steps = count.ref.astype(np.float32);
      const correction = (b: number) => oneMinusPower(b, steps.ref);
      const c1 = correction(b1);
      const c2 = correction(b2);
      const underRoot = epsRoot === 0 ? null : c2.ref.mul(epsRoot);
      const rootRatio = c1.ref.mul(np.reciprocal(np.sqrt(c2)));
      const floor = c1.mul(eps);
      steps.dispose();
      const factors: np.Array[] = [];
      const mu = mapArrays(
        (m, g) => {
          const factor = explosionFactor(g);
          factors.push(factor.ref);
          return m.mul(b1).add(g.mul(factor.mul(1 - b1)));
        },
        state.mu,
        tree.ref(updates),
      );
      let index = 0;
      const nu = mapArrays(
        (v, g) => v.mul(b2).add(np.square(g.mul(factors[index++]!.mul(Math.sqrt(1 - b2))))),
        state.nu,
        updates,
      );
      const divide =
        epsRoot === 0 && eps < smallestEps ? divideOrRest : (m: np.Array, d: np.Array) => m.div(d);
      const scaled = mapArrays(
        (m, v) => {
          const square = underRoot === null ? v : v.add(underRoot.ref);
          return divide(m, np.sqrt(square).mul(rootRatio.ref).add(floor.ref));
        },
        tree.ref(mu),
        tree.ref(nu),
      );
      underRoot?.dispose();
      rootRatio.dispose();
      floor.dispose();
      return [scaled, { count, mu, nu }];
    },
  };
}

/** Below it a denominator may be smaller than what float32 can divide by. */
const smallestEps = 1e-36;

/** `m/d`, and 0 where d is too small to divide by: what is left of a mean square that has vanished. Consumes both. */
export function divideOrRest(m: np.Array, d: np.Array): np.Array {
  const vanished = d.ref.less(smallestEps);
  return np.where(vanished, 0, m.div(d));
}

/**
 * 1, and 2⁻⁷⁰ where the sum of an array's squares leaves float32: an explosion is taken smaller by this factor, in mean and mean square
 * alike, so that both stay finite and their quotient what it is. Infinite and NaN elements stay so. One pass that only reads.
 *
 * @param g - left alone
 * @returns a scalar
 */
export function explosionFactor(g: np.Array): np.Array {
  const squares = np.square(g.ref).sum();
  return np.where(squares.less(Number.POSITIVE_INFINITY), 1, 2 ** -70);
}

/** Every array of a tree times its {@link explosionFactor}. Consumes the tree. */
export function withoutExplosions(gradients: Tree): Tree {
  return mapArrays((g) => {
    const factor = explosionFactor(g);
    return g.mul(factor);
  }, gradients);
}

/**
 * `1 − bᵗ`; for b = 0 it is 1.
 *
 * @param steps - `float32[]`, consumed
 */
export function oneMinusPower(b: number, steps: np.Array): np.Array {
  if (b === 0) return steps.mul(0).add(1);
  return np.negative(np.exp(steps.mul(Math.log(b)))).add(1);
}

export interface MomentumOptions {
  /** Default 0.9. */
  readonly momentum?: number;
  /** `g + momentum·m` instead of `m`. Default false (torch.optim.SGD). */
  readonly nesterov?: boolean;
}

/**
 * `m ← momentum·m + g` (a sum, not an average), as in torch.optim.SGD with dampening 0. State: `trace`.
 *
 * @example
 * ```ts
 * const { update, init } = trace({ momentum: 0.9 });
 * const w = np.zeros([1]);
 * const [first, state] = update(np.array([1]), init(w.ref), w.ref);
 * const [second] = update(np.array([1]), state, w);
 * first; // => [1.000]
 * second; // => [1.900]
 * ```
 */
export function trace({ momentum = 0.9, nesterov = false }: MomentumOptions = {}): GradientTransformation {
  checkFraction("momentum", momentum);
  return {
    init(params) {
      const zeros = zerosLike(params);
      tree.dispose(params);
      return { trace: zeros };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const next = mapArrays((m, g) => m.mul(momentum).add(g), state.trace, tree.ref(updates));
      if (!nesterov) {
        tree.dispose(updates);
        return [tree.ref(next), { trace: next }];
      }
      return [mapArrays((m, g) => g.add(m.mul(momentum)), tree.ref(next), updates), { trace: next }];
    },
  };
}

/**
 * `√Σ‖x‖²` over all arrays of a tree.
 *
 * Norms from 1e-19 on; those of smaller gradients come out smaller or 0.
 *
 * @param root - consumed
 * @returns `float32[]`
 *
 * @example
 * ```ts
 * globalNorm({ w: np.array([3]), bias: np.array([4]) }); // => 5.000
 * ```
 */
export function globalNorm(root: Tree): np.Array {
  const leaves = tree.leaves(root) as np.Array[];
  if (leaves.length === 0) return np.array(0);
  const sum = (arrays: readonly np.Array[]) =>
    np.sqrt(arrays.map((x) => x.ref.mul(x).sum()).reduce((a, b) => a.add(b)));
  const norm = sum(leaves.map((leaf) => leaf.ref));
  // Squares from 1.8e19 on leave float32.
  const scaled = sum(leaves.map((leaf) => leaf.mul(2 ** -70))).mul(2 ** 70);
  return np.where(norm.ref.less(Number.POSITIVE_INFINITY), norm, scaled);
}

/**
 * Scales the updates by `min(1, maxNorm/(norm + 1e-6))`, as torch.nn.utils.clip_grad_norm_ does.
 *
 * Source: Pascanu et al., arXiv 1211.5063, algorithm 1.
 *
 * @example
 * ```ts
 * const { update, init } = clipByGlobalNorm(1);
 * const [updates] = update(np.array([3, 4]), init(np.zeros([2])), np.zeros([2]));
 * updates; // => [0.600, 0.800]
 * ```
 */
export function clipByGlobalNorm(maxNorm: number): GradientTransformation {
  checkPositive("maxNorm", maxNorm);
  return stateless((updates, params) => {
    tree.dispose(params);
    return clipToNorm(updates, globalNorm(tree.ref(updates)), maxNorm);
  });
}

/**
 * Scales a tree whose norm is known, by `min(1, maxNorm/(norm + 1e-6))`.
 *
 * @param updates - consumed
 * @param norm - `float32[]`, consumed
 *
 * @example
 * ```ts
 * const gradients = { w: np.array([3, 4]) };
 * const norm = globalNorm(tree.ref(gradients)); // 5, and worth logging
 * clipToNorm(gradients, norm, 1).w; // => [0.600, 0.800]
 * ```
 */
export function clipToNorm(updates: Tree, norm: np.Array, maxNorm: number): Tree {
  const factor = np.minimum(np.reciprocal(norm.add(1e-6)).mul(maxNorm), 1);
  const clipped = mapArrays((u) => u.mul(factor.ref), updates);
  factor.dispose();
  return clipped;
}
