import { ConfigError } from "../../errors.ts";
import { framewiseLayout, type Layout, ramp } from "../layout.ts";

/**
 * V2PE of InternVL3: one axis; a text token lies 1 after the token before it, a visual token δ after it.
 *
 * @param delta - δ in (0, 1]; the paper trains with 1, 1/2, … 1/256. Default 1/16: an image of 256 tokens takes 16 positions.
 * @throws ConfigError if δ is out of range
 *
 * Source: V2PE, arXiv 2412.09616, eq. 5.
 */
export function v2pe(delta = 1 / 16): Layout {
  if (!(delta > 0 && delta <= 1)) throw new ConfigError(`v2pe: delta ${delta}: expected a number in (0, 1]`);
  return framewiseLayout({ name: "v2pe", axes: ["n"], video: true }, ({ index, height, width }, start) => {
    const tokens = height * width;
    const before = start - 1 + index * tokens * delta;
    return { values: ramp(tokens, before + delta, delta), next: before + tokens * delta + 1 };
  });
}
