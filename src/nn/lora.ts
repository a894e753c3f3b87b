import { numpy as np, random } from "@jax-js/jax";
import { checkKeys, checkShapes, type Patterns } from "../arrayShapes.ts";
import { ConfigError } from "../errors.ts";

/** Matrices of a block that LoRA may adapt, by their names in the parameters. */
export const loraTargets = ["wq", "wk", "wv", "wo", "up", "gate", "down"] as const;

export type LoraTarget = (typeof loraTargets)[number];

/** Low-rank adaptation. */
export interface LoraOptions {
  /** `r`, at least 1. */
  readonly rank: number;
  /** `α`. */
  readonly alpha: number;
  /** Divide `α` by `√r`, not by `r` (rsLoRA). Default false. */
  readonly rsLora?: boolean;
}

/** The change of a matrix, low in rank: `ΔW = scale · a·b`. */
export interface LoraParams {
  /** `[fan-in, r]` */
  readonly a: np.Array;
  /** `[r, fan-out]` */
  readonly b: np.Array;
}

/** A change beside a matrix in a forward pass, with the scale in `b`: it adds `dropout(x)·a·b`. */
export interface LoraAdapter extends LoraParams {
  /** Leaves parts of the change's input out: in training only. */
  readonly dropout?: {
    /** Random key. */
    readonly key: np.Array;
    /** Probability of an element to be left out, `float32[]` in [0, 1). */
    readonly rate: np.Array;
  };
}

/** Patterns of adapters' arrays, by the names of what they are beside. */
export function adapterPatterns<Name extends string>(
  name: string,
  adapters: Readonly<Partial<Record<Name, LoraAdapter>>> | undefined,
  sizes: Readonly<Record<Name, readonly [fanIn: string | number, fanOut: string | number]>>,
): Patterns {
  return Object.fromEntries(
    Object.entries<LoraAdapter>((adapters ?? {}) as Record<Name, LoraAdapter>).flatMap(
      ([target, { a, b }]) => {
        const [fanIn, fanOut] = sizes[target as Name];
        const rank = a.shape.at(-1) ?? 1;
        return [
          [`${name}.${target}.a`, [a, `float32[${fanIn}, ${rank}]`]],
          [`${name}.${target}.b`, [b, `float32[${rank}, ${fanOut}]`]],
        ];
      },
    ),
  );
}

/**
 * What `a·b` is multiplied by: `α/r`, or `α/√r` with rsLoRA.
 *
 * Source: Hu et al., LoRA, arXiv 2106.09685, section 4.1; Kalajdzievski, rsLoRA, arXiv 2312.03732.
 *
 * @example
 * ```ts
 * loraScale({ rank: 16, alpha: 32 }); // => 2
 * loraScale({ rank: 16, alpha: 32, rsLora: true }); // => 8
 * ```
 */
export function loraScale({ rank, alpha, rsLora = false }: LoraOptions): number {
  return alpha / (rsLora ? Math.sqrt(rank) : rank);
}

/**
 * A change that is none yet: `a` uniform within `±1/√fan-in`, `b` zero.
 *
 * @param key - random key, consumed
 * @throws ConfigError for a rank that isn't a positive integer, or above the smaller side
 *
 * Source: arXiv 2106.09685, section 4.1, as PEFT has it: `kaiming_uniform_(a=√5)`. The paper's own `a` is normal.
 *
 * @example
 * ```ts
 * const { a, b } = initLora(random.key(0), 64, 32, 4);
 * [a.shape, b.shape]; // => [[64, 4], [4, 32]]
 * np.max(np.absolute(a)); // => 0.12
 * np.max(np.absolute(b)); // => 0
 * ```
 */
export function initLora(key: np.Array, fanIn: number, fanOut: number, rank: number): LoraParams {
  checkKeys("initLora", key);
  if (!Number.isInteger(rank) || rank < 1 || rank > Math.min(fanIn, fanOut))
    throw new ConfigError(
      `lora.rank ${rank}: expected an integer from 1 to ${Math.min(fanIn, fanOut)}, the smaller side of a matrix ${fanIn} × ${fanOut}`,
    );
  const bound = 1 / Math.sqrt(fanIn);
  return {
    a: random.uniform(key, [fanIn, rank], { minval: -bound, maxval: bound }),
    b: np.zeros([rank, fanOut]),
  };
}

/**
 * The matrix with its change: `w + scale · a·b`.
 *
 * @param w - `float32[I, O]`, consumed
 * @param change - `a: float32[I, r]`, `b: float32[r, O]`, consumed
 * @returns `float32[I, O]`
 * @throws ShapeError for shapes that don't fit; nothing is consumed then
 *
 * @example
 * ```ts
 * mergeLora(np.eye(2), { a: np.array([[1], [2]]), b: np.array([[3, 0]]) }, 2); // => [[7, 0], [12, 1]]
 * ```
 */
export function mergeLora(w: np.Array, { a, b }: LoraParams, scale: number): np.Array {
  checkShapes("mergeLora", {
    w: [w, "float32[I, O]"],
    a: [a, "float32[I, r]"],
    b: [b, "float32[r, O]"],
  });
  return w.add(np.matmul(a, b.mul(scale)));
}

/** What an adapter adds to `x @ w`: `dropout(x)·a·b`. Consumes both. */
export function adapted(x: np.Array, { a, b, dropout }: LoraAdapter): np.Array {
  if (dropout !== undefined) {
    const { key, rate } = dropout;
    const kept = random.uniform(key, x.shape).greaterEqual(rate.ref);
    x = np.where(kept, x.div(np.array(1).sub(rate)), 0);
  }
  return np.matmul(np.matmul(x, a), b);
}
