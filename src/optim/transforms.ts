import { numpy as np, tree } from "@jax-js/jax";
import { checkFraction, checkNonNegative, checkPositive } from "./checks.ts";
import {
  type GradientTransformation,
  mapArrays,
  stateless,
  type Tree,
  zerosLike,
} from "./gradientTransformation.ts";
import { type ScheduleOrNumber, toSchedule } from "./schedule.ts";

/** The count of a state that has seen no step. */
export const zeroCount = () => np.array(0, { dtype: np.int32 });

/** Updates times a number. */
export function scale(factor: number): GradientTransformation {
  return stateless((updates, params) => {
    tree.dispose(params);
    return mapArrays((u) => u.mul(factor), updates);
  });
}

/**
 * Updates times `−schedule(count)`, so that adding them descends. The state counts the steps.
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
      const scaled = mapArrays((u) => u.mul(factor.ref), updates);
      factor.dispose();
      return [scaled, { count: count.add(1) }];
    },
  };
}

/**
 * Adds `weightDecay·w` to the update of every parameter that the mask admits. Placed before
 * {@link scaleByLearningRate} this is decoupled decay multiplied by the learning rate, as in torch.optim.AdamW and Optax.
 *
 * @param mask - by path (`"blocks.0.mlp.up"`) and shape; by default every parameter decays
 *
 * Source: Loshchilov & Hutter, arXiv 1711.05101; there the decay is multiplied by the schedule only, not by its peak.
 */
export function addDecayedWeights(
  weightDecay: number,
  mask: (path: string, shape: readonly number[]) => boolean = () => true,
): GradientTransformation {
  checkNonNegative("weightDecay", weightDecay);
  return stateless((updates, params) => {
    if (weightDecay === 0) {
      tree.dispose(params);
      return updates;
    }
    const admitted = treePaths(params).map(({ path, array }) => mask(path, array.shape));
    let index = 0;
    return mapArrays(
      (u, w) => {
        if (admitted[index++]) return u.add(w.mul(weightDecay));
        w.dispose();
        return u;
      },
      updates,
      params,
    );
  });
}

/** The leaves of a tree with their dotted paths, in the order of `tree.flatten`; nothing is consumed. */
export function treePaths(root: Tree, prefix = ""): { path: string; array: np.Array }[] {
  if (Array.isArray(root) || (typeof root === "object" && root !== null && root.constructor === Object)) {
    return Object.entries(root).flatMap(([key, value]) =>
      treePaths(value, prefix === "" ? key : `${prefix}.${key}`),
    );
  }
  return [{ path: prefix, array: root as np.Array }];
}

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
 */
export function scaleByAdam({
  b1 = 0.9,
  b2 = 0.999,
  eps = 1e-8,
  epsRoot = 0,
}: ScaleByAdamOptions = {}): GradientTransformation {
  checkFraction("b1", b1);
  checkFraction("b2", b2);
  checkNonNegative("eps", eps);
  checkNonNegative("epsRoot", epsRoot);
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
      const mu = mapArrays((m, g) => m.mul(b1).add(g.mul(1 - b1)), state.mu, tree.ref(updates));
      const nu = mapArrays((v, g) => v.mul(b2).add(g.ref.mul(g).mul(1 - b2)), state.nu, updates);
      const scaled = mapArrays(
        (m, v) => {
          const square = underRoot === null ? v : v.add(underRoot.ref);
          return m.div(np.sqrt(square).mul(rootRatio.ref).add(floor.ref));
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

/** `m ← momentum·m + g` (a sum, not an average), as in torch.optim.SGD with dampening 0. State: `trace`. */
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
 * @param root - consumed
 * @returns `float32[]`
 */
export function globalNorm(root: Tree): np.Array {
  const squares = (tree.leaves(root) as unknown as np.Array[]).map((leaf) => leaf.ref.mul(leaf).sum());
  if (squares.length === 0) return np.array(0);
  return np.sqrt(squares.reduce((a, b) => a.add(b)));
}

/**
 * Scales the updates by `min(1, maxNorm/(norm + 1e-6))`, as torch.nn.utils.clip_grad_norm_ does.
 *
 * Source: Pascanu et al., arXiv 1211.5063, algorithm 1.
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
 */
export function clipToNorm(updates: Tree, norm: np.Array, maxNorm: number): Tree {
  const factor = np.minimum(np.reciprocal(norm.add(1e-6)).mul(maxNorm), 1);
  const clipped = mapArrays((u) => u.mul(factor.ref), updates);
  factor.dispose();
  return clipped;
}
