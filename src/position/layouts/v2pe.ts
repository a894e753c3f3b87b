import { ConfigError } from "../../errors.ts";
import { framewiseLayout, type Layout, mesh } from "../layout.ts";

/**
 * V2PE of InternVL3: one axis; a text token lies 1 after the token before it, a visual token δ after it.
 *
 * @param delta - δ in (0, 1]; the paper trains with 1, 1/2, … 1/256. Default 1/16: an image of 256 tokens takes 16 positions.
 * @throws ConfigError if δ is out of range
 *
 * Source: V2PE, arXiv 2412.09616, eq. 5.
 *
 * @example
 * ```ts
 * const document = parseDocument("text:2 image:1x2 text:1");
 * positionIds(layoutPositions(v2pe(1 / 4), document)); // => [[0, 1, 1.25, 1.5, 2.5]]
 * ```
 */
export function v2pe(delta = 1 / 16): Layout {
  if (!(delta > 0 && delta <= 1)) throw new ConfigError(`v2pe: delta ${delta}: expected a number in (0, 1]`);
  const rule = { name: "v2pe", axes: ["n"], video: true };
  return framewiseLayout(rule, ({ index, height, width }, start, target) => {
    const tokens = height * width;
    const before = start - 1 + index * tokens * delta;
    return {
      values: mesh([{ size: tokens, start: before + delta, step: delta }], target),
      next: before + tokens * delta + 1,
    };
  });
}
