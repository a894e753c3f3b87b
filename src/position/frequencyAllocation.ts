import { ConfigError } from "../errors.ts";
import { type RopeScaling, ropeFrequencies } from "./ropeScaling.ts";

/**
 * Which axis of a position drives frequency `j`. It is a choice apart from the position rule (the layout: which coordinates a
 * token gets) and from the channel pairing (which two components of a head turn together).
 *
 * - `cyclic`: axis `j mod A` (Su-10352; HunyuanImage-3.0 with two axes). A text token at `(n, n)` turns exactly as in one dimension.
 * - `sections`: consecutive blocks of `sections[c]` frequencies, block `c` for axis `c mod A` (M-RoPE, Qwen2-VL: 16, 24, 24).
 * - `interleaved-sections`: all frequencies belong to axis 0, except that axis `a` takes `a, a + A, a + 2A, …` below `A·sections[a]`
 *   (Qwen3-VL: 24, 20, 20).
 * - `per-axis`: every axis has its own full spectrum `base^(−2j/(d/A))` on its own `d/(2A)` consecutive pairs (RoPE-2D of vision models).
 *   `order` says which axis has which slice (`[1, 0]`: columns first, as in Step 3), `alternate` gives neighbouring pairs to the axes in turn instead of
 *   slices (Kimi K2.5), `tiled` gives component `c` of a slice the frequency `c mod m` of its `m`, so that the two components of an interleaved
 *   pair turn by different angles, which is no rotation (V-JEPA 2).
 * - `split-cyclic`: the frequencies of `cyclic`, those of axis 0 first, then those of axis 1 (Pixtral).
 * - `alternating-sections`: `[h, w, t]` with three axes t, h, w: h and w take turns over the first `h + w` frequencies, t has the last `t`
 *   (Ernie 4.5 VL: 22, 22, 20).
 * - `component-sections`: blocks of `2·sections[c]` *components* (not pairs) for axis `c`: with half pairing the two components of a pair follow
 *   different axes, which is a rotation only where these agree (`hunyuan_vl` of Transformers 5.24).
 * - `axes`: the axis of every frequency, one by one.
 * - `per-head`: whole heads belong to one axis, `heads[a]` of them to axis `a` in turn; heads left over don't turn (MHRoPE).
 */
export type FrequencyAllocation =
  | { readonly kind: "cyclic" }
  | { readonly kind: "sections"; readonly sections: readonly number[] }
  | { readonly kind: "interleaved-sections"; readonly sections: readonly number[] }
  | {
      readonly kind: "per-axis";
      readonly order?: readonly number[];
      readonly alternate?: boolean;
      readonly tiled?: boolean;
    }
  | { readonly kind: "split-cyclic" }
  | { readonly kind: "alternating-sections"; readonly sections: readonly number[] }
  | { readonly kind: "component-sections"; readonly sections: readonly number[] }
  | { readonly kind: "axes"; readonly axes: readonly number[] }
  | { readonly kind: "per-head"; readonly heads: readonly number[] };

export interface FrequencyAllocationOptions {
  /** `A`, coordinates of a position. Default 1. */
  readonly numAxes?: number;
  /** `d`, components of a head that turn; even. */
  readonly rotaryDim: number;
  /** `K`, heads, for `per-head` only: key/value heads with grouped queries. */
  readonly numHeads?: number;
  /** Default 10000 (RoFormer). */
  readonly base?: number;
  /** Default null, none. */
  readonly scaling?: RopeScaling | null;
}

/** Every frequency and the axis that drives it. */
export interface AllocatedFrequencies {
  readonly numAxes: number;
  /** Radians per position of pair `j`, `j = 0 … d/2 − 1`. */
  readonly frequencies: readonly number[];
  /**
   * `axisOfFrequency[k][j]`: the axis that drives pair `j` of head `k`, or null if the pair doesn't turn. One row if all heads are
   * alike, one per head otherwise.
   */
  readonly axisOfFrequency: readonly (readonly (number | null)[])[];
  /** What turns the second component of each pair, where it isn't what turns the first (then that is no rotation). Default the same. */
  readonly second?: {
    readonly frequencies: readonly number[];
    readonly axisOfFrequency: readonly (readonly (number | null)[])[];
  };
  /** What cos and sin are multiplied by. */
  readonly attentionFactor: number;
}

/**
 * Gives every frequency its axis.
 *
 * @param allocation - default cyclic
 * @throws ConfigError if sizes don't fit: sections that don't add up to `d/2`, a head that `per-axis` can't divide, more heads than
 *   there are
 *
 * Source: Su-10352; Qwen2-VL, arXiv 2409.12191, section 2.1; Qwen3-VL, arXiv 2511.21631; MHRoPE, arXiv 2510.23095.
 *
 * @example
 * ```ts
 * const { frequencies, axisOfFrequency } = allocateFrequencies(
 *   { kind: "sections", sections: [2, 1, 1] },
 *   { numAxes: 3, rotaryDim: 8, base: 10000 },
 * );
 * frequencies; // => [1, 0.1, 0.01, 0.001]
 * axisOfFrequency; // => [[0, 0, 1, 2]]
 * ```
 */
export function allocateFrequencies(
  allocation: FrequencyAllocation,
  { numAxes = 1, rotaryDim, numHeads, base = 10000, scaling = null }: FrequencyAllocationOptions,
): AllocatedFrequencies {
  if (!Number.isInteger(numAxes) || numAxes < 1) {
    throw new ConfigError(`frequency allocation: numAxes ${numAxes}: expected a positive integer`);
  }
  const whole = ropeFrequencies(rotaryDim, base, scaling);
  const pairs = rotaryDim / 2;
  const shared = (axisOf: (j: number) => number): AllocatedFrequencies => ({
    numAxes,
    ...whole,
    axisOfFrequency: [whole.frequencies.map((_, j) => axisOf(j))],
  });
  switch (allocation.kind) {
    case "cyclic":
      return shared((j) => j % numAxes);
    case "sections": {
      const { sections } = allocation;
      checkCounts("sections", sections);
      const total = sections.reduce((a, b) => a + b, 0);
      if (total !== pairs) {
        throw new ConfigError(
          `sections ${sections.join(",")}: add up to ${total}, expected ${pairs}, half of the ${rotaryDim} components that turn`,
        );
      }
      const axes = sections.flatMap((size, block) => Array<number>(size).fill(block % numAxes));
      return shared((j) => axes[j]!);
    }
    case "interleaved-sections": {
      const { sections } = allocation;
      checkCounts("interleaved sections", sections);
      const total = sections.reduce((a, b) => a + b, 0);
      if (sections.length !== numAxes || total !== pairs) {
        throw new ConfigError(
          `interleaved sections ${sections.join(",")}: expected ${numAxes} numbers, one per axis, that add up to ${pairs}`,
        );
      }
      return shared((j) => (j < numAxes * sections[j % numAxes]! ? j % numAxes : 0));
    }
    case "alternating-sections": {
      const { sections } = allocation;
      checkCounts("alternating sections", sections);
      const total = sections.reduce((a, b) => a + b, 0);
      if (numAxes !== 3 || sections.length !== 3 || sections[0] !== sections[1] || total !== pairs) {
        throw new ConfigError(
          `alternating sections ${sections.join(",")}: expected three numbers for three axes, the first two alike, that add up to ${pairs}`,
        );
      }
      const spatial = 2 * sections[0]!;
      return shared((j) => (j < spatial ? 1 + (j % 2) : 0));
    }
    case "component-sections": {
      const { sections } = allocation;
      checkCounts("component sections", sections);
      const total = sections.reduce((a, b) => a + b, 0);
      if (sections.length !== numAxes || total !== pairs) {
        throw new ConfigError(
          `component sections ${sections.join(",")}: expected ${numAxes} numbers, one per axis, that add up to ${pairs}`,
        );
      }
      const axes = sections.flatMap((size, axis) => Array<number>(2 * size).fill(axis));
      return {
        ...shared((j) => axes[j]!),
        second: { frequencies: whole.frequencies, axisOfFrequency: [axes.slice(pairs)] },
      };
    }
    case "axes": {
      const { axes } = allocation;
      const wrong = axes.find((axis) => !Number.isInteger(axis) || axis < 0 || axis >= numAxes);
      if (axes.length !== pairs || wrong !== undefined) {
        throw new ConfigError(
          `axes of the frequencies: ${axes.length} of them${wrong === undefined ? "" : `, among them ${wrong}`}; expected ${pairs} numbers from 0 to ${numAxes - 1}`,
        );
      }
      return shared((j) => axes[j]!);
    }
    case "split-cyclic": {
      checkDivisible("split-cyclic", rotaryDim, numAxes);
      const size = pairs / numAxes;
      const at = (j: number) => numAxes * (j % size) + Math.floor(j / size);
      return {
        ...shared((j) => Math.floor(j / size)),
        frequencies: whole.frequencies.map((_, j) => whole.frequencies[at(j)]!),
      };
    }
    case "per-axis":
      return perAxis(allocation, numAxes, rotaryDim, base, scaling);
    case "per-head": {
      const { heads } = allocation;
      checkCounts("heads of the axes", heads);
      const total = heads.reduce((a, b) => a + b, 0);
      if (numHeads === undefined || heads.length !== numAxes || total > numHeads) {
        throw new ConfigError(
          `per-head allocation ${heads.join(",")}: expected ${numAxes} numbers, one per axis, that add up to at most numHeads ${numHeads}`,
        );
      }
      const axes: (number | null)[] = heads.flatMap((count, axis) => Array<number>(count).fill(axis));
      return {
        numAxes,
        ...whole,
        axisOfFrequency: Array.from({ length: numHeads }, (_, head) =>
          Array<number | null>(pairs).fill(axes[head] ?? null),
        ),
      };
    }
    default:
      throw new ConfigError(
        `frequency allocation "${(allocation as { kind: string }).kind}": expected ${frequencyAllocationKinds.join(", ")}`,
      );
  }
}

function checkDivisible(kind: string, rotaryDim: number, numAxes: number): void {
  if ((rotaryDim / 2) % numAxes !== 0) {
    throw new ConfigError(
      `${kind} allocation: ${rotaryDim} components that turn: expected a multiple of ${2 * numAxes} for ${numAxes} axes`,
    );
  }
}

/** A spectrum for each axis. */
function perAxis(
  { order, alternate = false, tiled = false }: FrequencyAllocation & { kind: "per-axis" },
  numAxes: number,
  rotaryDim: number,
  base: number,
  scaling: RopeScaling | null,
): AllocatedFrequencies {
  checkDivisible("per-axis", rotaryDim, numAxes);
  if (
    order !== undefined &&
    [...order].sort().join() !== Array.from({ length: numAxes }, (_, a) => a).join()
  ) {
    throw new ConfigError(
      `per-axis allocation: order ${order.join()}: expected each of 0 to ${numAxes - 1} once`,
    );
  }
  if (alternate && tiled) {
    throw new ConfigError("per-axis allocation: alternate and tiled: expected one of them at most");
  }
  const pairs = rotaryDim / 2;
  const { frequencies: own, attentionFactor } = ropeFrequencies(rotaryDim / numAxes, base, scaling);
  const size = own.length;
  const places = Array.from({ length: pairs }, (_, j) => j);
  const slice = (j: number) => (alternate ? j % numAxes : Math.floor(j / size));
  const place = (j: number) => (alternate ? Math.floor(j / numAxes) : j % size);
  const axes = [places.map((j) => (order === undefined ? slice(j) : order[slice(j)]!))];
  const component = (member: number) => places.map((j) => own[(2 * (j % size) + member) % size]!);
  if (tiled) {
    return {
      numAxes,
      attentionFactor,
      frequencies: component(0),
      axisOfFrequency: axes,
      second: { frequencies: component(1), axisOfFrequency: axes },
    };
  }
  return { numAxes, attentionFactor, frequencies: places.map((j) => own[place(j)]!), axisOfFrequency: axes };
}

/** Names of the allocations. */
export const frequencyAllocationKinds = [
  "cyclic",
  "sections",
  "interleaved-sections",
  "alternating-sections",
  "component-sections",
  "per-axis",
  "split-cyclic",
  "axes",
  "per-head",
] as const satisfies readonly FrequencyAllocation["kind"][];

function checkCounts(what: string, counts: readonly number[]): void {
  if (counts.length === 0 || counts.some((count) => !Number.isInteger(count) || count < 0)) {
    throw new ConfigError(`${what} ${counts.join(",")}: expected whole numbers, 0 or more`);
  }
}
