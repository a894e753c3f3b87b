import { numpy as np, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import { checkInteger, checkNonNegative } from "../numberChecks.ts";
import {
  balance,
  columnNorms,
  imageOf,
  orthonormalize,
  powerIteration,
  powerSteps,
} from "../spectral/index.ts";
import { type GradientTransformation, mapArrays, type Tree } from "./gradientTransformation.ts";
import { blockShapes, type MatrixOptions, type MatrixReading, toBlocks } from "./matrixBlocks.ts";
import { type MatrixSelection, mapBlocks, selectMatrices } from "./matrixSelection.ts";
import { treePaths } from "./transforms.ts";

export interface SpectralDecayOptions extends MatrixSelection {
  /** Number of leading singular values that decay. Default 1 (Su-10648). */
  readonly k?: number;
  /**
   * `"warm"` (the default) keeps the right singular vectors in the state and refines them at every update; `"ones"` starts from
   * the all-ones vector every time (Su-10648) and keeps nothing.
   */
  readonly start?: "warm" | "ones";
  /** Power steps per update. Default 1 for a warm start, 10 otherwise (Su-10648). */
  readonly steps?: number;
}

/** Power steps from the all-ones vector in Su-10648. */
const stepsFromOnes = 10;
/** The same for the state at the start of training: the updates go on from there. */
const startingSteps = 3;

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

interface WarmVectors {
  /** `float32[n, columns, k]` */
  readonly leading: np.Array;
  /** `float32[n, columns, 1]`, what comes after them. */
  readonly guard: np.Array;
}

/**
 * Power steps on k vectors and a guard. Where the guard has a larger singular value than one of them, it takes that one's place: power
 * iteration alone would stay for long with a vector that is exact but, since its singular value decays, no longer a leading one.
 *
 * @param stack - `float32[n, rows, columns]`, left alone
 * @param warm - consumed
 * @returns the vectors for the next update, those for the decay (zero where nothing was found) and their images `W V`
 */
function refine(
  stack: np.Array,
  { leading, guard }: WarmVectors,
  steps: number,
): { warm: WarmVectors; v: np.Array; image: np.Array } {
  const k = leading.shape.at(-1)!;
  const { usable, next } = usableVectors(powerSteps(stack, np.concatenate([leading, guard], -1), steps));
  const image = imageOf(stack.ref, usable.ref);
  const parts = [usable, next, image, columnNorms(image.ref)].map((x) => np.split(x, k + 1, -1));
  // The shortest image ends up last.
  for (let i = 0; i < k; i++) {
    const shorter = parts[3]![i]!.ref.less(parts[3]![k]!.ref);
    for (const columns of parts) {
      const [own, last] = [columns[i]!, columns[k]!];
      columns[i] = np.where(shorter.ref, last.ref, own.ref);
      columns[k] = np.where(shorter.ref, own, last);
    }
    shorter.dispose();
  }
  const [v, vectors, images, lengths] = parts.map((columns) => {
    const last = columns.pop()!;
    return { leading: columns.length === 1 ? columns[0]! : np.concatenate(columns, -1), guard: last };
  });
  tree.dispose([v!.guard, images!.guard, lengths!.leading, lengths!.guard]);
  return { warm: vectors!, v: v!.leading, image: images!.leading };
}

/**
 * Adds `strength · W V Vᵀ` to the update of every matrix, where the columns of `V` are its k leading right singular vectors: the
 * gradient of `strength/2 · Σ_{i≤k} σᵢ²`. Placed before `scaleByLearningRate` this is decoupled spectral weight decay: a step
 * multiplies the k largest singular values by `1 − ηλ` and leaves the others alone.
 *
 * With a warm start, one vector more is iterated, a guard that takes over when a singular value has decayed below the next one. Each
 * power step costs two products with these k + 1 vectors, and the decay one more. Parameters are iterated one by one, which on a
 * CPU is several times cheaper than stacking those of a shape: the products only read a matrix, stacking would copy it.
 *
 * State: `rightSingularVectors` (`float32[count, fanOut, k]`) and `guardVectors` (`[count, fanOut, 1]`), by path, for each stack of
 * equal blocks; empty with `start: "ones"`. Zero matrices don't decay. Nothing finite becomes NaN, at any scale of the matrices.
 * {@link spectralDecayReport} says how good the vectors are.
 *
 * @param strength - λ, multiplied by the learning rate as the weight decay of AdamW is
 * @throws ConfigError for impossible options; from `init` and `update` if a parameter can't be read as matrices or has fewer
 *   than k singular values, or the state belongs to other parameters. Nothing is consumed then.
 *
 * Source: Su-10648; Yoshida and Miyato, arXiv 1705.10941. Differs: a warm start, and the guard.
 *
 * @example
 * ```ts
 * const { update, init } = addSpectralDecay(0.1);
 * const params = { up: np.array([[4, 0], [0, 1]]) };
 * // Only the largest singular value decays.
 * const [updates] = update({ up: np.zeros([2, 2]) }, init(tree.ref(params)), params);
 * updates.up; // => [[0.40, 0.00], [0.00, 0.00]]
 * ```
 */
export function addSpectralDecay(
  strength: number,
  {
    k = 1,
    start = "warm",
    steps = start === "ones" ? stepsFromOnes : 1,
    ...selection
  }: SpectralDecayOptions = {},
): GradientTransformation {
  checkNonNegative("spectral decay: strength", strength);
  checkInteger("spectral decay: k", k, 1);
  checkInteger("spectral decay: steps", steps, 1);
  if (start !== "warm" && start !== "ones")
    throw new ConfigError(`spectral decay: start "${start}": expected "warm" or "ones"`);
  const isWarm = start === "warm";
  return {
    init(params) {
      const readings = readFor(k, params, selection);
      const leading: Record<string, np.Array[]> = {};
      const guard: Record<string, np.Array[]> = {};
      for (const { path, array } of treePaths(params)) {
        const reading = readings.get(path);
        if (!isWarm || reading === undefined) {
          array.dispose();
          continue;
        }
        leading[path] = toBlocks(array, reading).map((stack) => {
          const { usable, next } = usableVectors(leadingVectors(stack, k, startingSteps));
          usable.dispose();
          return next;
        });
        guard[path] = blockShapes(reading).map(({ count, fanOut }) =>
          np.broadcastTo(unrelatedVectors(fanOut, 1), [count, fanOut, 1]),
        );
      }
      return isWarm ? { rightSingularVectors: leading, guardVectors: guard } : {};
    },
    update(updates, state, params) {
      const readings = readFor(k, params, selection);
      if (isWarm) {
        checkVectors(state?.rightSingularVectors, readings, k);
        checkVectors(state?.guardVectors, readings, 1);
      }
      const paths = treePaths(params).map(({ path }) => path);
      const leading: Record<string, np.Array[]> = {};
      const guard: Record<string, np.Array[]> = {};
      let index = 0;
      const decayed = mapArrays(
        (u, w) => {
          const path = paths[index++]!;
          const reading = readings.get(path);
          if (reading === undefined) {
            w.dispose();
            return u;
          }
          [leading[path], guard[path]] = [[], []];
          const part = mapBlocks(w, reading, (stack, block) => {
            if (!isWarm) {
              const v = leadingVectors(stack.ref, k, steps);
              return np.matmul(imageOf(stack, v.ref).mul(strength), transpose(v));
            }
            const before = {
              leading: state.rightSingularVectors[path][block],
              guard: state.guardVectors[path][block],
            };
            // The state keeps its dtypes, whatever those of the parameters.
            const [leadingType, guardType] = [before.leading.dtype, before.guard.dtype];
            const { warm, v, image } = refine(stack, before, steps);
            stack.dispose();
            leading[path]!.push(warm.leading.astype(leadingType));
            guard[path]!.push(warm.guard.astype(guardType));
            return np.matmul(image.mul(strength), transpose(v));
          });
          return u.add(part);
        },
        updates,
        params,
      );
      return [decayed, isWarm ? { rightSingularVectors: leading, guardVectors: guard } : state];
    },
  };
}

function leadingVectors(stack: np.Array, k: number, steps: number): np.Array {
  const { u, sigma, v, residual } = powerIteration(stack, { k, steps });
  tree.dispose([u, sigma, residual]);
  return v;
}

function readFor(k: number, params: Tree, selection: MatrixSelection): Map<string, MatrixReading> {
  const readings = selectMatrices(params, selection);
  for (const [path, reading] of readings) {
    for (const { fanIn, fanOut } of blockShapes(reading)) {
      if (k <= Math.min(fanIn, fanOut)) continue;
      throw new ConfigError(
        `spectral decay: k ${k}: parameter ${path} is a matrix of ${fanIn} × ${fanOut}; expected at most its smaller side`,
      );
    }
  }
  return readings;
}

function checkVectors(
  held: Readonly<Record<string, readonly np.Array[]>> | undefined,
  readings: ReadonlyMap<string, MatrixReading>,
  k: number,
): void {
  const describe = (shapes: readonly (readonly number[])[] | undefined) =>
    shapes?.map((shape) => `[${shape.join()}]`).join(" ") ?? "nothing";
  for (const path of new Set([...readings.keys(), ...Object.keys(held ?? {})])) {
    const reading = readings.get(path);
    const expected = describe(reading && blockShapes(reading).map(({ count, fanOut }) => [count, fanOut, k]));
    const actual = describe(held?.[path]?.map(({ shape }) => shape));
    if (actual === expected) continue;
    throw new ConfigError(
      `spectral decay: the state holds ${actual} for parameter ${path}: expected ${expected}; it belongs to other parameters or options`,
    );
  }
}

/** How good the vectors of a spectral decay are, for the n matrices of one parameter. */
export interface SpectralDecayQuality {
  /** `σ = ‖Wv‖` for each vector, `float32[n, k]`. */
  readonly sigma: np.Array;
  /** `‖Wᵀu − σv‖` with `u = Wv/σ`, `float32[n, k]`: 0 for exact singular vectors (`‖Wv − σu‖` is 0 by construction). */
  readonly residual: np.Array;
  /**
   * Smallest `σ` over the largest singular value outside the span of the vectors, `float32[n]`; for k = 1 this is `σ₁/σ₂`. Near 1
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
 * @param options - `matrixLayout`, `matrixAxes` and `split` as given to the decay; `steps`: power steps for the next singular
 *   value, default 20
 * @returns by path, for the parameters that decay
 * @throws ConfigError if the state belongs to other parameters
 *
 * @example
 * ```ts
 * const params = { up: np.array([[4, 0], [0, 1]]) };
 * const state = addSpectralDecay(0.1).init(tree.ref(params));
 * const { up } = spectralDecayReport(params, state);
 * up!.sigma; // => [[4.00]]
 * ```
 */
export function spectralDecayReport(
  params: Tree,
  state: Tree,
  { steps = 20, ...options }: MatrixOptions & { readonly steps?: number } = {},
): Record<string, SpectralDecayQuality> {
  const vectors = state.rightSingularVectors as Record<string, np.Array[]> | undefined;
  if (vectors === undefined) {
    throw new ConfigError(
      'spectral decay: the state holds no vectors: expected that of a decay with start "warm"',
    );
  }
  const readings = selectMatrices(params, { ...options, mask: (path) => path in vectors });
  checkVectors(vectors, readings, Object.values(vectors)[0]?.[0]?.shape.at(-1) ?? 1);
  const report: Record<string, SpectralDecayQuality> = {};
  for (const { path, array } of treePaths(params)) {
    const reading = readings.get(path);
    if (reading === undefined) continue;
    const parts = toBlocks(array.ref, reading).map((stack, i) =>
      qualityOf(stack, vectors[path]![i]!.ref, steps),
    );
    const join = (name: keyof SpectralDecayQuality) =>
      np.concatenate(
        parts.map((part) => part[name]),
        0,
      );
    report[path] = { sigma: join("sigma"), residual: join("residual"), gap: join("gap") };
  }
  return report;
}

/**
 * @param stack - `float32[n, rows, columns]`, consumed
 * @param vectors - `float32[n, columns, k]`, consumed
 */
function qualityOf(stack: np.Array, vectors: np.Array, steps: number): SpectralDecayQuality {
  const { balanced, factor, inverse, logarithm } = balance(stack, [-2, -1]);
  tree.dispose([factor, logarithm]);
  const v = orthonormalize(vectors);
  const image = imageOf(balanced.ref, v.ref);
  const norms = columnNorms(image.ref);
  const u = image.ref.div(np.where(norms.ref.greater(0), norms.ref, 1));
  const back = imageOf(transpose(balanced.ref), u).sub(v.ref.mul(norms.ref));
  const residual = np.squeeze(columnNorms(back).mul(inverse.ref), -2);
  const sigma = np.squeeze(norms, -2);
  const rest = powerIteration(balanced.sub(np.matmul(image, transpose(v))), { steps });
  tree.dispose([rest.u, rest.v, rest.residual]);
  const outside = np.maximum(np.squeeze(rest.sigma, -1), 1e-30);
  const gap = np.min(sigma.ref, -1).div(outside);
  return { sigma: sigma.mul(np.squeeze(inverse, -2)), residual, gap };
}
