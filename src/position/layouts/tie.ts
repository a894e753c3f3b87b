import type { TokenGrid } from "../document.ts";
import {
  framewiseLayout,
  type GridAxis,
  type Layout,
  mesh,
  type Placement,
  wholeGridLayout,
} from "../layout.ts";

const axesOf = (dimensions: 2 | 3) => (dimensions === 2 ? ["h", "w"] : ["t", "h", "w"]);

/**
 * RoPE-Tie, the first version: with `L` the last position before the grid and `N` its tokens, coordinate `i = 1 … s` of an axis of
 * size `s` lies at `L + i·(N + 1)/(s + 1)`; text goes on at `L + N + 1`. The grid fills the interval that `N` text tokens would,
 * but its patches are not 1 apart.
 *
 * @param dimensions - 2 for text and images, 3 with video (an image is one frame). Default 2.
 *
 * Source: Su-10352.
 *
 * @example
 * ```ts
 * const document = parseDocument("text:2 image:2x3 text:1");
 * positionIds(layoutPositions(tie(), document))[1]; // => [0, 1, 2.75, 4.5, 6.25, 2.75, 4.5, 6.25, 8]
 * ```
 */
export function tie(dimensions: 2 | 3 = 2): Layout {
  const rule = {
    name: dimensions === 2 ? "tie" : "tie-3d",
    axes: axesOf(dimensions),
    video: dimensions === 3,
  };
  return wholeGridLayout(rule, (grid, start, target) =>
    placed(grid, start, target, dimensions, (size, tokens) => {
      const step = (tokens + 1) / (size + 1);
      return { size, start: start - 1 + step, step };
    }),
  );
}

/**
 * RoPE-Tie-v2 (RoPE-TV): steps of 1, the grid centred in the interval: with `L` the last position before the grid and `N` its tokens,
 * coordinate `i = 1 … s` of an axis of size `s` lies at `L + (N − s)/2 + i`; text goes on at `L + N + 1`. Halves occur when `N − s`
 * is odd and must stay: the layout is symmetric only with them.
 *
 * @param dimensions - 2 for text and images, 3 with video of known length. Default 2.
 *
 * Source: Su-10352.
 *
 * @example
 * ```ts
 * const document = parseDocument("text:2 image:2x3 text:1");
 * positionIds(layoutPositions(tieV2(), document)); // => [[0, 1, 4, 4, 4, 5, 5, 5, 8], [0, 1, 3.5, 4.5, 5.5, 3.5, 4.5, 5.5, 8]]
 * ```
 */
export function tieV2(dimensions: 2 | 3 = 2): Layout {
  const name = dimensions === 2 ? "tie-v2" : "tie-v2-3d";
  const rule = { name, axes: axesOf(dimensions), video: dimensions === 3 };
  return wholeGridLayout(rule, (grid, start, target) =>
    placed(grid, start, target, dimensions, centred(start)),
  );
}

/**
 * The positions of HunyuanImage-3.0: {@link tieV2} with its coordinates cut to whole numbers, as the published code does. The cut breaks
 * the symmetry where one of `N − h`, `N − w` is odd (a grid of 3×4). The code counts `L` from the grid's first token and goes on at
 * `L + N`: the same as `tieV2`, which counts from the last one before.
 *
 * Source: Tencent-Hunyuan/HunyuanImage-3.0, `build_2d_rope` (2025-10).
 *
 * @example
 * ```ts
 * const document = parseDocument("text:2 image:2x3 text:1");
 * positionIds(layoutPositions(hunyuanImage3(), document))[1]; // => [0, 1, 3, 4, 5, 3, 4, 5, 8]
 * ```
 */
export function hunyuanImage3(): Layout {
  const rule = { name: "hunyuan-image-3", axes: axesOf(2), video: false };
  return wholeGridLayout(rule, (grid, start, target) =>
    placed(grid, start, target, 2, (size, tokens) => ({
      size,
      start: Math.trunc(start + (tokens - size) / 2),
    })),
  );
}

/**
 * Ours, for video whose length nobody knows yet: frame `k` is laid as a tie-v2 image that begins at `L_k = L + k·h·w`, its time is the
 * centre `L_k + (hw + 1)/2`. Nothing of a frame depends on later ones; a layout that is symmetric over the whole video can't have
 * that (Su-10352).
 *
 * @example
 * ```ts
 * const document = parseDocument("text:1 video:2x1x2 text:1");
 * positionIds(layoutPositions(streaming(), document))[0]; // => [0, 1.5, 1.5, 3.5, 3.5, 5]
 * ```
 */
export function streaming(): Layout {
  return framewiseLayout(
    { name: "streaming-3d", axes: axesOf(3), video: true },
    ({ index, height, width }, start, target) => {
      const first = start + index * height * width;
      return placed({ frames: 1, height, width }, first, target, 3, centred(first));
    },
  );
}

/**
 * Ours, for streams: an image is laid as in tie-v2; frame `k` of a video, from 0, lies where its first frame does, `k` later in time, and text
 * goes on at `L + N + 1` after all `N = f·h·w` tokens. It keeps every property but one: a video of several frames isn't symmetric. No layout
 * can keep that too: let nothing of a frame depend on later ones, and the first patch lie `a` behind the text before. If the text after
 * always lies `a` behind the last patch, it moves with each frame as that patch does, which in RoPE-3D is by 1 in time and by 0 in rows and
 * columns; but text lies at one number on all axes. {@link streaming} gives up RoPE-3D instead, {@link tieV2} in 3D causality.
 *
 * @example
 * ```ts
 * const document = parseDocument("text:1 video:2x1x2 text:1");
 * positionIds(layoutPositions(tieStream(), document))[0]; // => [0, 1.5, 1.5, 2.5, 2.5, 5]
 * ```
 */
export function tieStream(): Layout {
  return framewiseLayout(
    { name: "tie-stream", axes: axesOf(3), video: true },
    ({ index, height, width }, start, target) => {
      const tokens = height * width;
      const [time, rows, columns] = [1, height, width].map((size) => centred(start)(size, tokens));
      return {
        values: mesh([{ ...time!, start: time!.start + index }, rows!, columns!], target),
        next: start + (index + 1) * tokens,
      };
    },
  );
}

/** An axis in the middle of the interval of the grid, in steps of 1. */
const centred =
  (start: number) =>
  (size: number, tokens: number): GridAxis => ({ size, start: start + (tokens - size) / 2 });

function placed(
  { frames, height, width }: TokenGrid,
  start: number,
  target: Float64Array,
  dimensions: 2 | 3,
  axisOf: (size: number, tokens: number) => GridAxis,
): Placement {
  const tokens = frames * height * width;
  const sizes = dimensions === 2 ? [height, width] : [frames, height, width];
  return {
    values: mesh(
      sizes.map((size) => axisOf(size, tokens)),
      target,
    ),
    next: start + tokens,
  };
}
