import { ConfigError } from "../../errors.ts";
import { framewiseLayout, type Layout, mesh } from "../layout.ts";

const axes = ["t", "h", "w"];

export interface MropeOptions {
  /**
   * Positions per second of video: frame `k` has time `start + ⌊k·secondsPerFrame·tokensPerSecond⌋` (Qwen2.5-VL: 2 or 4). Default
   * null: frames are 1 apart (Qwen2-VL).
   */
  readonly tokensPerSecond?: number | null;
  /**
   * Where text goes on after a grid that began at `start`: `"all-axes"`, the default, after the largest coordinate of any axis (the paper;
   * Transformers 4); `"grid"`, at `start + max(h, w)` whatever the times are (Transformers 5, which yet generates after the largest coordinate).
   */
  readonly advance?: "all-axes" | "grid";
}

/**
 * M-RoPE of Qwen2-VL and Qwen2.5-VL: text at `t = h = w = n`; row `i` and column `j` (from 0) of a grid at `h = start + i`,
 * `w = start + j`, and frame `k` at `t = start + k` or by its seconds. Images have no time.
 *
 * @throws ConfigError if `tokensPerSecond` is not positive
 *
 * Source: Qwen2-VL, arXiv 2409.12191, section 2.1; Qwen2.5-VL, arXiv 2502.13923, section 2.1.2; Transformers, `get_rope_index`.
 *
 * @example
 * ```ts
 * const video = parseDocument("video:2x1x2@0.5 text:1");
 * positionIds(layoutPositions(mrope(), video)); // => [[0, 0, 1, 1, 2], [0, 0, 0, 0, 2], [0, 1, 0, 1, 2]]
 * // Qwen2.5-VL counts time by seconds.
 * positionIds(layoutPositions(mrope({ tokensPerSecond: 8 }), video))[0]; // => [0, 0, 4, 4, 5]
 * ```
 */
export function mrope({ tokensPerSecond = null, advance = "all-axes" }: MropeOptions = {}): Layout {
  if (tokensPerSecond !== null && !(tokensPerSecond > 0 && Number.isFinite(tokensPerSecond))) {
    throw new ConfigError(`mrope: tokensPerSecond ${tokensPerSecond}: expected a positive number`);
  }
  if (advance !== "all-axes" && advance !== "grid") {
    throw new ConfigError(`mrope: advance "${advance}": expected all-axes or grid`);
  }
  const name = tokensPerSecond === null ? "mrope" : "mrope-seconds";
  const rule = { name, axes, video: true };
  const layout = framewiseLayout(rule, ({ index, height, width, secondsPerFrame }, start, target) => {
    const time = tokensPerSecond === null ? index : truncatedTime(index, secondsPerFrame, tokensPerSecond);
    const values = meshFrame(start + time, height, width, start, target);
    const size = advance === "grid" ? Math.max(height, width) : Math.max(height, width, time + 1);
    return { values, next: start + size, largest: start + Math.max(height, width, time + 1) - 1 };
  });
  return advance === "grid" ? { ...layout, generation: "largest" } : layout;
}

function meshFrame(time: number, height: number, width: number, start: number, target: Float64Array) {
  return mesh(
    [
      { size: 1, start: time },
      { size: height, start },
      { size: width, start },
    ],
    target,
  );
}

/** In float32, as the models were trained: the product decides on which side of a whole number it falls. */
function truncatedTime(index: number, secondsPerFrame: number, tokensPerSecond: number): number {
  const interval = Math.fround(tokensPerSecond * Math.fround(secondsPerFrame));
  return Math.trunc(Math.fround(Math.fround(index) * interval));
}

/**
 * Positions of Qwen3-VL: as {@link mrope}, but every frame is a block of its own, without time inside; time is told by text between the
 * frames ({@link splitVideoFrames}). What is interleaved in "MRoPE-Interleave" are the frequencies: choose the allocation
 * `interleaved-sections` for them.
 *
 * Source: Qwen3-VL, arXiv 2511.21631; Transformers, `get_rope_index`.
 *
 * @example
 * ```ts
 * const video = parseDocument("video:2x1x2 text:1");
 * positionIds(layoutPositions(mropeInterleaved(), video)); // => [[0, 0, 2, 2, 4], [0, 0, 2, 2, 4], [0, 1, 2, 3, 4]]
 * ```
 */
export function mropeInterleaved(): Layout {
  return framewiseLayout(
    { name: "mrope-interleaved", axes, video: true },
    ({ index, height, width }, start, target) => {
      const first = start + index * Math.max(height, width);
      const values = meshFrame(first, height, width, first, target);
      return { values, next: first + Math.max(height, width) };
    },
  );
}
