import { CheckpointError } from "../errors.ts";
import type { OrthogonalizeOptions } from "./orthogonalize.ts";

/** What an update is of the gradient, for one parameter. */
export type LeafDirection =
  | {
      readonly kind: "linear";
      readonly scale: number;
      /** Mean squares of gradients, corrected, by whose roots the gradient is divided; null for a gradient as it is, empty before the first step. */
      readonly squares: Float32Array | null;
      readonly eps: number;
      readonly epsRoot: number;
      /** What of `√v` and eps divides: their sum, or the larger. */
      readonly floor: "sum" | "maximum";
    }
  | { readonly kind: "sign"; readonly scale: number; readonly eps: number }
  | { readonly kind: "power"; readonly scale: number; readonly power: number }
  | { readonly kind: "orthogonal" };

/** The direction φ of an update `−η·φ`, as a function of the gradient, with an optimizer's state as far as it isn't a momentum. */
export interface MethodDirection {
  /** φ in words. */
  readonly description: string;
  readonly family: "sgd" | "sign" | null;
  /** Weights of past gradients in a momentum that updates aren't linear in, newest first; null if there is none. */
  readonly pastWeights: readonly number[] | null;
  /** What the direction takes for granted, a sentence each. */
  readonly notes: readonly string[];
  /** How `"orthogonal"` parameters are orthogonalised. */
  readonly orthogonalize?: OrthogonalizeOptions;
  /** What a gradient becomes before it is orthogonalised. */
  prepare?(gradient: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
  /** What an orthogonalised parameter's update becomes. */
  finish?(path: string, shape: readonly number[], orthogonal: Float32Array): Float32Array;
  /** The direction of a parameter, whose present values are `data`. */
  of(path: string, shape: readonly number[], data: Float32Array): LeafDirection;
}

/** Arrays of the first part of an optimizer's state that has this name, by parameter; null if there is none. */
export type StateReader = (name: string) => {
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Steps so far, where the same stage counts them. */
  readonly count: number | null;
} | null;

/** The gradient times a number. */
export const linear = (scale: number): LeafDirection => ({
  kind: "linear",
  scale,
  squares: null,
  eps: 0,
  epsRoot: 0,
  floor: "sum",
});

/** A number for people: three digits. */
export const short = (value: number) => String(Number(value.toPrecision(3)));

/** What a momentum that updates are linear in does. */
export const linearMomentum = (momentum: number) =>
  momentum === 0
    ? []
    : [
        `momentum ${momentum} is in the scale: one gradient moves the parameters by ${short(1 / (1 - momentum))}·η in all`,
      ];

/** Weights of past gradients in a momentum, newest first, until they no longer matter. */
export function momentumWeights(first: number, second: number, decay: number): number[] {
  const weights = [first];
  for (let weight = second; weight > 1e-9 * first && weights.length < 1e5; weight *= decay)
    weights.push(weight);
  return weights;
}

/** A row that takes a sign of a momentum. */
export function signDirection(description: string, pastWeights: readonly number[]): MethodDirection {
  return {
    description,
    family: "sign",
    pastWeights,
    notes: [],
    of: () => ({ kind: "sign", scale: 1, eps: 0 }),
  };
}

export interface SquaresOptions {
  readonly name?: string;
  /** For the correction `v/(1 − b2ᵗ)`; null for none. */
  readonly b2: number | null;
  /** Subtract the square of the mean gradient. */
  readonly centered?: boolean;
}

/** Mean squares of a state by parameter; null before the first step. */
function meanSquares(
  state: StateReader,
  { name = "nu", b2, centered = false }: SquaresOptions,
): ReadonlyMap<string, Float32Array> | null {
  const part = state(name);
  if (part === null)
    throw new CheckpointError("optimizer state: has no mean squares: it belongs to another optimizer");
  if (b2 !== null && part.count === 0) return null;
  const correction = b2 === null || b2 === 0 ? 1 : 1 - b2 ** part.count!;
  const means = centered ? state("mu")?.values : undefined;
  const squares = [...part.values].map(([path, data]) => {
    const mean = means?.get(path);
    const values = data.map((v, i) => (mean === undefined ? v / correction : Math.max(0, v - mean[i]! ** 2)));
    return [path, values] as const;
  });
  if (b2 === null && squares.every(([, values]) => values.every((v) => v === 0))) return null;
  return new Map(squares);
}

export interface AdaptiveOptions extends SquaresOptions {
  readonly eps: number;
  readonly epsRoot?: number;
  readonly floor?: "sum" | "maximum";
}

/**
 * The direction of parameters that are divided by the root of a mean square.
 *
 * @throws CheckpointError if the state has none (at once), or none of a parameter (when asked for it)
 */
export function adaptive(
  state: StateReader,
  { eps, epsRoot = 0, floor = "sum", ...options }: AdaptiveOptions,
  scale = 1,
): (path: string, shape: readonly number[], data: Float32Array) => LeafDirection {
  const squares = meanSquares(state, options);
  return (path, _shape, { length }) => {
    const own = squares === null ? new Float32Array(0) : squares.get(path);
    if (own === undefined || (own.length !== length && own.length !== 0))
      throw new CheckpointError(`optimizer state: has no mean squares of "${path}"`);
    return { kind: "linear", scale, squares: own, eps, epsRoot, floor };
  };
}

/** Adam's direction: `g̃/(√v + eps)`. */
export function adamDirection(
  { b2, eps, epsRoot }: { readonly b2: number; readonly eps: number; readonly epsRoot: number },
  state: StateReader,
): MethodDirection {
  return {
    description: `φ = g̃/(√v + eps), eps ${eps}`,
    family: "sign",
    pastWeights: null,
    notes: [],
    of: adaptive(state, { b2, eps, epsRoot }),
  };
}
