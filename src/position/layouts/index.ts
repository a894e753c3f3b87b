import { ConfigError } from "../../errors.ts";
import type { Layout } from "../layout.ts";
import { flat } from "./flat.ts";
import { mrope, mropeInterleaved } from "./mrope.ts";
import { hunyuanImage3, streaming, tie, tieStream, tieV2 } from "./tie.ts";
import { v2pe } from "./v2pe.ts";

/** Layouts by name, with their default options. */
export const layouts = {
  flat: flat(),
  tie: tie(2),
  "tie-3d": tie(3),
  "tie-v2": tieV2(2),
  "tie-v2-3d": tieV2(3),
  "streaming-3d": streaming(),
  "tie-stream": tieStream(),
  mrope: mrope(),
  /** Qwen2.5-VL with the `tokens_per_second` of its published configurations, 2. */
  "mrope-seconds": mrope({ tokensPerSecond: 2 }),
  "mrope-interleaved": mropeInterleaved(),
  v2pe: v2pe(),
  "hunyuan-image-3": hunyuanImage3(),
} as const satisfies Record<string, Layout>;

/** Name of a layout. */
export type LayoutName = keyof typeof layouts;

/**
 * @throws ConfigError if there is no layout of this name
 *
 * @example
 * ```ts
 * layoutNamed("mrope").axes; // => ["t", "h", "w"]
 * assert.throws(() => layoutNamed("spiral"), ConfigError);
 * ```
 */
export function layoutNamed(name: string): Layout {
  if (!Object.hasOwn(layouts, name)) {
    throw new ConfigError(`layout "${name}": expected one of ${Object.keys(layouts).join(", ")}`);
  }
  return layouts[name as LayoutName];
}
