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
 * - `per-head`: whole heads belong to one axis, `heads[a]` of them to axis `a` in turn; heads left over don't turn (MHRoPE).
 */
export type FrequencyAllocation =
  | { readonly kind: "cyclic" }
  | { readonly kind: "sections"; readonly sections: readonly number[] }
  | { readonly kind: "interleaved-sections"; readonly sections: readonly number[] }
  | { readonly kind: "per-axis" }
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
    case "per-axis": {
      if (pairs % numAxes !== 0) {
        throw new ConfigError(
          `per-axis allocation: ${rotaryDim} components that turn: expected a multiple of ${2 * numAxes} for ${numAxes} axes`,
        );
      }
      const own = ropeFrequencies(rotaryDim / numAxes, base, scaling);
      const size = own.frequencies.length;
      return {
        numAxes,
        attentionFactor: own.attentionFactor,
        frequencies: Array.from({ length: pairs }, (_, j) => own.frequencies[j % size]!),
        axisOfFrequency: [Array.from({ length: pairs }, (_, j) => Math.floor(j / size))],
      };
    }
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

/** Names of the allocations. */
export const frequencyAllocationKinds = [
  "cyclic",
  "sections",
  "interleaved-sections",
  "per-axis",
  "per-head",
] as const satisfies readonly FrequencyAllocation["kind"][];

function checkCounts(what: string, counts: readonly number[]): void {
  if (counts.length === 0 || counts.some((count) => !Number.isInteger(count) || count < 0)) {
    throw new ConfigError(`${what} ${counts.join(",")}: expected whole numbers, 0 or more`);
  }
}
