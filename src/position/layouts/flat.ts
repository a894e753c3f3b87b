import { framewiseLayout, type Layout, ramp } from "../layout.ts";

/** Raster order on one axis: plain RoPE-1D, whatever the tokens are. */
export function flat(): Layout {
  return framewiseLayout({ name: "flat", axes: ["n"], video: true }, ({ index, height, width }, start) => {
    const first = start + index * height * width;
    return { values: ramp(height * width, first), next: first + height * width };
  });
}
