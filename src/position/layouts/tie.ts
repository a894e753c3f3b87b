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
