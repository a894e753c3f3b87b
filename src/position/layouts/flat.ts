import { framewiseLayout, type Layout, mesh } from "../layout.ts";

/**
 * Raster order on one axis: plain RoPE-1D, whatever the tokens are.
 *
 * @example
 * ```ts
 * positionIds(layoutPositions(flat(), parseDocument("text:1 image:2x2 text:1"))); // => [[0, 1, 2, 3, 4, 5]]
 * ```
 */
export function flat(): Layout {
  const rule = { name: "flat", axes: ["n"], video: true };
  return framewiseLayout(rule, ({ index, height, width }, start, target) => {
    const first = start + index * height * width;
    return { values: mesh([{ size: height * width, start: first }], target), next: first + height * width };
  });
}
