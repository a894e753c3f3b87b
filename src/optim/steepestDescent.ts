import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError, ShapeError } from "../errors.ts";
import { checkInteger } from "../numberChecks.ts";
import { balance, msign, type NewtonSchulzOptions, newtonSchulz, powerIteration } from "../spectral/index.ts";
import { type GradientTransformation, mapArrays, stateless } from "./gradientTransformation.ts";

/**
 * A norm for the step, with its dual norm and the direction Φ that reaches it (σ, u, v: singular values and vectors of G):
 *
 * | norm of the step | dual norm of G | direction Φ | known as |
 * |---|---|---|---|
 * | `"frobenius"` | Frobenius | `G/‖G‖_F` | normalised gradient descent |
 * | `"max"`, the largest element | `Σ\|g\|` | `sign(G)` | signSGD |
 * | `"l1"`, the sum of elements | `max \|g\|` | `sign(g)` at the largest element, 0 elsewhere | coordinate descent |
 * | `{ p }`, `(Σ\|x\|^p)^(1/p)` | `(Σ\|g\|^q)^(1/q)`, `1/p + 1/q = 1` | `sign(G)\|G\|^(q−1)/‖G‖_q^(q−1)` | pbSGD |
 * | `"spectral"`, σ₁ | nuclear, `Σσ` | `msign(G) = UVᵀ` | Muon |
 * | `"nuclear"`, Σσ | spectral, `σ₁` | `u₁v₁ᵀ` | rank-one steps |
 */
export type StepNorm = "frobenius" | "max" | "l1" | "spectral" | "nuclear" | { readonly p: number };

export interface SteepestDirectionOptions {
  /** For `"spectral"`: iterate instead of the exact `msign`, which `compile` can't lower. Default: exact. */
  readonly newtonSchulz?: NewtonSchulzOptions;
  /** For `"nuclear"`: steps of power iteration. Default 100. */
  readonly powerSteps?: number;
}

function checkNorm(norm: StepNorm, { newtonSchulz, powerSteps }: SteepestDirectionOptions): void {
  if (typeof norm === "object") {
    if (!(norm.p > 1 && Number.isFinite(norm.p)))
      throw new ConfigError(
        `step norm p ${norm.p}: expected a finite number > 1; "l1" and "max" are the limits`,
      );
  } else if (!["frobenius", "max", "l1", "spectral", "nuclear"].includes(norm)) {
    throw new ConfigError(
      `step norm "${norm}": expected "frobenius", "max", "l1", "spectral", "nuclear" or { p }`,
    );
  }
  if (newtonSchulz !== undefined && norm !== "spectral")
    throw new ConfigError(`newtonSchulz with step norm ${JSON.stringify(norm)}: expected "spectral"`);
  if (powerSteps !== undefined) {
    if (norm !== "nuclear")
      throw new ConfigError(`powerSteps with step norm ${JSON.stringify(norm)}: expected "nuclear"`);
    checkInteger("powerSteps", powerSteps, 1);
  }
}

function checkGradient(norm: StepNorm, g: np.Array, options: SteepestDirectionOptions): void {
  checkNorm(norm, options);
  if ((norm === "spectral" || norm === "nuclear") && g.shape.length > 2) {
    throw new ShapeError(
      `steepest direction: got float32[${g.shape.join()}], expected a matrix or a vector for the norm "${norm}"`,
    );
  }
}

/** Divided by the largest magnitude, so that no power overflows; zero stays zero. */
function bySize(g: np.Array): np.Array {
  if (g.shape.length === 0) return bySize(g.reshape([1])).reshape([]);
  const { balanced, factor, inverse, logarithm } = balance(
    g,
    g.shape.map((_, axis) => axis),
  );
  tree.dispose([factor, inverse, logarithm]);
  const largest = np.max(np.absolute(balanced.ref));
  return balanced.div(np.where(largest.ref.greater(0), largest, 1));
}

function pNormDirection(g: np.Array, p: number): np.Array {
  const x = bySize(g);
  const size = np.absolute(x.ref);
  const logarithm = np.log(np.maximum(size.ref, 1e-30));
  const q = p / (p - 1);
  // ‖Φ‖_p = (Σ|x|^((q−1)p))^(1/p) = (Σ|x|^q)^(1/p); the largest element is 1, so the sum is at least 1.
  const sum = np.where(size.greater(0), np.exp(logarithm.ref.mul(q)), 0).sum();
  const power = np.exp(logarithm.mul(q - 1));
  return np
    .sign(x)
    .mul(power)
    .div(np.exp(np.log(np.maximum(sum, 1)).mul(1 / p)));
}

function coordinateDirection(g: np.Array): np.Array {
  const { shape } = g;
  const flat = g.reshape([-1]);
  const place = np.argmax(np.absolute(flat.ref));
  const chosen = np.arange(flat.size).equal(place);
  return np.where(chosen, np.sign(flat), 0).reshape(shape);
}

function rankOneDirection(g: np.Array, powerSteps: number): np.Array {
  const { u, v, sigma, residual } = powerIteration(g, { steps: powerSteps });
  sigma.dispose();
  residual.dispose();
  return np.matmul(u, v.transpose());
}

/**
 * The direction of steepest ascent under a norm: `argmax ⟨G, Φ⟩` over `‖Φ‖ ≤ 1`, see {@link StepNorm}. The value at it,
 * `⟨G, Φ⟩`, is the dual norm of G.
 *
 * Where several directions reach the maximum: zero elements of G stay zero, `"l1"` takes the first of the largest, and the null
 * space of a matrix stays empty. A zero gradient gives zeros.
 *
 * @param g - `float32[..]`, consumed; any finite elements. `"spectral"` and `"nuclear"` take matrices `[rows, columns]`, and vectors
 *   as matrices of one column.
 * @returns the same shape
 * @throws ConfigError for impossible options, ShapeError for more than two axes under a matrix norm; `g` isn't consumed then
 *
 * Source: Su-10592, section on norms; Bernstein and Newhouse, arXiv 2409.20325.
 *
 * @example
 * ```ts
 * steepestDirection("max", np.array([3, -1])); // => [1, -1]
 * steepestDirection("frobenius", np.array([3, -4])); // => [0.600, -0.800]
 * steepestDirection("l1", np.array([3, -4])); // => [0, -1]
 * steepestDirection("spectral", np.array([[3, 0], [0, -4]])); // => [[1.000, 0.000], [0.000, -1.000]]
 * ```
 */
export function steepestDirection(
  norm: StepNorm,
  g: np.Array,
  options: SteepestDirectionOptions = {},
): np.Array {
  checkGradient(norm, g, options);
  if (typeof norm === "object") return pNormDirection(g, norm.p);
  if (norm === "max") return np.sign(g);
  if (norm === "l1") return coordinateDirection(g);
  if (norm === "frobenius") return pNormDirection(g, 2);
  const { shape } = g;
  const matrix = shape.length === 2 ? g : g.reshape([g.size, 1]);
  const direction =
    norm === "nuclear"
      ? rankOneDirection(matrix, options.powerSteps ?? 100)
      : options.newtonSchulz === undefined
        ? msign(matrix)
        : newtonSchulz(matrix, options.newtonSchulz);
  return direction.reshape(shape);
}

/**
 * `argmin ‖ΔW‖²/(2η) + ⟨G, ΔW⟩ = −η·‖G‖_*·Φ`: the step of steepest descent, the dual norm times the direction. Its value is
 * `−η·‖G‖_*²/2`.
 *
 * @param g - consumed
 * @param learningRate - η
 * @throws as {@link steepestDirection}
 *
 * Source: Su-10592, section on norms.
 *
 * @example
 * ```ts
 * steepestStep("frobenius", np.array([3, -4]), 0.1); // => [-0.300, 0.400]
 * steepestStep("max", np.array([3, -4]), 0.1); // => [-0.700, 0.700]
 * ```
 */
export function steepestStep(
  norm: StepNorm,
  g: np.Array,
  learningRate: number,
  options: SteepestDirectionOptions = {},
): np.Array {
  checkGradient(norm, g, options);
  const direction = steepestDirection(norm, g.ref, options);
  const dual = g.mul(direction.ref).sum();
  return direction.mul(dual.mul(-learningRate));
}

export interface ScaleBySteepestDescentOptions extends SteepestDirectionOptions {
  readonly norm: StepNorm;
  /** Multiplies by the dual norm of the gradient, as the minimum asks; false takes steps of norm 1. Default true. */
  readonly dualNorm?: boolean;
}

/**
 * {@link steepestDirection} of every array of a tree, each under the norm by itself.
 *
 * @example
 * ```ts
 * const { update, init } = scaleBySteepestDescent({ norm: "max" });
 * const [updates] = update(np.array([3, -1]), init(np.zeros([2])), np.zeros([2]));
 * // The sign times the dual norm, the sum of magnitudes.
 * updates; // => [4.000, -4.000]
 * ```
 */
export function scaleBySteepestDescent({
  norm,
  dualNorm = true,
  ...options
}: ScaleBySteepestDescentOptions): GradientTransformation {
  checkNorm(norm, options);
  return stateless((updates, params) => {
    tree.dispose(params);
    return mapArrays(
      (g) => (dualNorm ? steepestStep(norm, g, -1, options) : steepestDirection(norm, g, options)),
      updates,
    );
  });
}
