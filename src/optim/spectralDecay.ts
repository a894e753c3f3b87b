import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { imageOf, orthonormalize, powerIteration, powerSteps } from "../spectral/index.ts";
import { checkInteger, checkNonNegative } from "./checks.ts";
import { type GradientTransformation, mapArrays, type Tree } from "./gradientTransformation.ts";
import { type MatrixAxes, matricesOf, type ParameterMask, toMatrices } from "./matrixLeaves.ts";
import { treePaths } from "./transforms.ts";

export interface SpectralDecayOptions {
  /** Number of leading singular values that decay. Default 1 (Su-10648). */
  readonly k?: number;
  /**
   * `"warm"` (the default) keeps the right singular vectors in the state and refines them at every update; `"ones"` starts from
   * the all-ones vector every time (Su-10648) and keeps nothing.
   */
  readonly start?: "warm" | "ones";
  /** Power steps per update. Default 1 for a warm start, 10 otherwise (Su-10648). */
  readonly steps?: number;
  /** Which parameters decay, by path and shape. Default: those with two axes; all others are left alone. */
  readonly mask?: ParameterMask;
  /** Which two axes of a parameter are rows and columns, the others being a stack of matrices. Default: the last two. */
  readonly axes?: MatrixAxes;
}

/** Power steps from the all-ones vector when training starts. */
const startingSteps = 10;

const transpose = (x: np.Array) => np.swapaxes(x, -1, -2);

/** Columns with no structure that a matrix would share: the start where an iteration found nothing. */
function unrelatedVectors(columns: number, k: number): np.Array {
  const goldenAngle = Math.PI * (3 - Math.sqrt(5));
  const values = Float32Array.from({ length: columns * k }, (_, i) =>
    Math.cos((Math.floor(i / k) + 1) * ((i % k) + 1) * goldenAngle),
  );
  return np.array(values).reshape([columns, k]);
}

/**
 * Columns of length 1 as they are, others (nothing was found, or a square left the range of float32) replaced: by zero for the
 * decay, by a new start for the state.
 *
 * @param v - consumed
 */
function usableVectors(v: np.Array): { usable: np.Array; next: np.Array } {
  const [columns, k] = v.shape.slice(-2) as [number, number];
  const squares = np.square(v.ref).sum(-2, { keepdims: true });
  const found = np.absolute(squares.sub(1)).less(0.5);
  return {
    usable: np.where(found.ref, v.ref, 0),
    next: np.where(found, v, unrelatedVectors(columns, k)),
  };
}

/**
 * Adds `strength · W V Vᵀ` to the update of every matrix, where the columns of `V` are its k leading right singular vectors: the
 * gradient of `strength/2 · Σ_{i≤k} σᵢ²`. Placed before `scaleByLearningRate` this is decoupled spectral weight decay: a step
 * multiplies the k largest singular values by `1 − ηλ` and leaves the others alone.
 *
 * Each power step costs two products with a vector, and the decay one more. Matrices are iterated one by one, which on a CPU is
 * several times cheaper than stacking those of a shape: the products only read each matrix, stacking would copy it.
 *
 * State: `v`, by path, `float32[.., columns, k]`; empty with `start: "ones"`. With a warm start, zero matrices and those whose
 * singular values leave the range from 1e-18 to 1e18, where squares fit into float32, don't decay. Nothing finite becomes NaN.
 * {@link spectralDecayReport} says how good the vectors are.
 *
 * @param strength - λ, multiplied by the learning rate as the weight decay of AdamW is
 * @throws ConfigError for impossible options; from `init` and `update` if a masked parameter has no two axes or fewer than k
 *   singular values, or the state belongs to other parameters. Nothing is consumed then.
 *
 * Source: Su-10648; Yoshida and Miyato, arXiv 1705.10941. Differs: a warm start.
 */
export function addSpectralDecay(
  strength: number,
  {
    k = 1,
    start = "warm",
    steps = start === "ones" ? startingSteps : 1,
    mask,
    axes,
  }: SpectralDecayOptions = {},
): GradientTransformation {
  checkNonNegative("spectral decay: strength", strength);
  checkInteger("spectral decay: k", k, 1);
  checkInteger("spectral decay: steps", steps, 1);
  if (start !== "warm" && start !== "ones")
    throw new ConfigError(`spectral decay: start "${start}": expected "warm" or "ones"`);
  const select = (params: Tree) => {
    const matrices = matricesOf(params, "spectral decay", mask, axes);
    for (const { path, rows, columns } of matrices.values()) {
      if (k <= Math.min(rows, columns)) continue;
      throw new ConfigError(
        `spectral decay: k ${k}: parameter ${path} is ${rows} × ${columns}; expected at most its smaller side`,
      );
    }
    return matrices;
  };
  return {
    init(params) {
      const v: Record<string, np.Array> = {};
      const matrices = select(params);
      for (const { path, array } of treePaths(params)) {
        const matrix = matrices.get(path);
        if (start === "ones" || matrix === undefined) {
          array.dispose();
          continue;
        }
        const found = powerIteration(toMatrices(array, matrix), { k, steps: startingSteps });
        tree.dispose([found.u, found.sigma, found.residual] as never);
        const { usable, next } = usableVectors(found.v);
        usable.dispose();
        v[path] = next;
      }
      return start === "ones" ? {} : { v };
    },
    update(updates, state, params) {
      const matrices = select(params);
      if (start === "warm") {
        const expected = new Map([...matrices].map(([path, m]) => [path, [...m.stack, m.columns, k]]));
        checkVectors(state, expected);
      }
      const paths = treePaths(params).map(({ path }) => path);
      const next: Record<string, np.Array> = {};
      let index = 0;
      const decayed = mapArrays(
        (u, w) => {
          const path = paths[index++]!;
          const matrix = matrices.get(path);
          if (matrix === undefined) {
            w.dispose();
            return u;
          }
          const m = toMatrices(w, matrix);
          let v: np.Array;
          if (start === "ones") {
            const found = powerIteration(m.ref, { k, steps });
            tree.dispose([found.u, found.sigma, found.residual] as never);
            v = found.v;
          } else {
            const vectors = usableVectors(powerSteps(m, state.v[path] as np.Array, steps));
            next[path] = vectors.next;
            v = vectors.usable;
          }
          const leading = np.matmul(imageOf(m, v.ref).mul(strength), transpose(v));
          return u.add(matrix.restore(leading));
        },
        updates,
        params,
      );
      return [decayed, start === "ones" ? state : { v: next }];
    },
  };
}

function checkVectors(state: Tree, expected: ReadonlyMap<string, readonly number[]>): void {
  const held = new Map(
    treePaths({ ...(state?.v as Record<string, np.Array> | undefined) }).map(({ path, array }) => [
      path,
      array.shape,
    ]),
  );
  for (const path of new Set([...expected.keys(), ...held.keys()])) {
    const [want, have] = [expected.get(path), held.get(path)];
    if (want?.join() === have?.join()) continue;
    const describe = (shape: readonly number[] | undefined) =>
      shape === undefined ? "nothing" : `[${shape.join()}]`;
    throw new ConfigError(
      `spectral decay: the state holds ${describe(have)} for parameter ${path}: expected ${describe(want)}; it belongs to other parameters or options`,
    );
  }
}

/** How good the vectors of a spectral decay are, for one parameter. */
export interface SpectralDecayQuality {
  /** `σ = ‖Wv‖` for each vector, `float32[.., k]`. */
  readonly sigma: np.Array;
  /** `‖Wᵀu − σv‖` with `u = Wv/σ`, `float32[.., k]`: 0 for exact singular vectors (`‖Wv − σu‖` is 0 by construction). */
  readonly residual: np.Array;
  /**
   * Smallest `σ` over the largest singular value outside the span of the vectors, `float32[..]`; for k = 1 this is `σ₁/σ₂`. Near 1
   * the vectors turn slowly towards the right ones, below 1 they aren't the leading ones.
   */
  readonly gap: np.Array;
}

/**
 * Compares the vectors in a state of {@link addSpectralDecay} (warm start) with the parameters. Pure: the state isn't refined, so
 * evaluating doesn't change training. Traceable.
 *
 * @param params - of the same tree as the state's, left alone
 * @param state - left alone
 * @param options - the `axes` given to the decay; `steps`: power steps for the next singular value, default 20
 * @returns by path
 * @throws ConfigError if the state belongs to other parameters
 */
export function spectralDecayReport(
  params: Tree,
  state: Tree,
  { axes, steps = 20 }: { readonly axes?: MatrixAxes; readonly steps?: number } = {},
): Record<string, SpectralDecayQuality> {
  const vectors = state.v as Record<string, np.Array> | undefined;
  if (vectors === undefined)
    throw new ConfigError(
      'spectral decay: the state holds no vectors: expected that of a decay with start "warm"',
    );
  const matrices = matricesOf(params, "spectral decay", (path) => path in vectors, axes);
  const k = Object.values(vectors)[0]?.shape.at(-1) ?? 1;
  checkVectors(state, new Map([...matrices].map(([path, m]) => [path, [...m.stack, m.columns, k]])));
  const report: Record<string, SpectralDecayQuality> = {};
  for (const { path, array } of treePaths(params)) {
    const matrix = matrices.get(path);
    if (matrix === undefined) continue;
    const w = toMatrices(array.ref, matrix);
    const v = orthonormalize(vectors[path]!.ref);
    const image = imageOf(w.ref, v.ref);
    const norms = np.sqrt(np.square(image.ref).sum(-2, { keepdims: true }));
    const u = image.ref.div(np.where(norms.ref.greater(0), norms.ref, 1));
    const back = imageOf(transpose(w.ref), u).sub(v.ref.mul(norms.ref));
    const residual = np.sqrt(np.square(back).sum(-2));
    const sigma = np.squeeze(norms, -2);
    const rest = powerIteration(w.sub(np.matmul(image, transpose(v))), { steps });
    tree.dispose([rest.u, rest.v, rest.residual] as never);
    const outside = np.squeeze(rest.sigma, -1);
    const gap = np.min(sigma.ref, -1).div(np.maximum(outside, 1e-30));
    report[path] = { sigma, residual, gap };
  }
  return report;
}
