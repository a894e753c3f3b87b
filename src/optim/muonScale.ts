import { ConfigError } from "../errors.ts";

/** Names of the factors. */
export const muonScales = ["none", "keller-jordan", "spectral", "match-adamw-rms"] as const;

/**
 * Factor on the orthogonal update of a matrix:
 * - `"none"`: 1;
 * - `"keller-jordan"`: `√max(1, fanOut/fanIn)` (Muon's reference implementation; torch `adjust_lr_fn="original"`);
 * - `"spectral"`: `√(fanOut/fanIn)` (Bernstein's spectral condition; microsoft/dion);
 * - `"match-adamw-rms"`: `0.2·√max(fanIn, fanOut)` (Moonlight, arXiv 2502.16982), so that learning rates of AdamW carry over.
 */
export type MuonScale = (typeof muonScales)[number];

/**
 * @throws ConfigError for an unknown name
 *
 * @example
 * ```ts
 * muonScale("keller-jordan", 64, 256); // => 2
 * muonScale("match-adamw-rms", 64, 256); // => 3.2
 * ```
 */
export function muonScale(scale: MuonScale, fanIn: number, fanOut: number): number {
  switch (scale) {
    case "none":
      return 1;
    case "keller-jordan":
      return Math.sqrt(Math.max(1, fanOut / fanIn));
    case "spectral":
      return Math.sqrt(fanOut / fanIn);
    case "match-adamw-rms":
      return 0.2 * Math.sqrt(Math.max(fanIn, fanOut));
    default:
      throw new ConfigError(
        `Muon scale "${scale}": expected "none", "keller-jordan", "spectral" or "match-adamw-rms"`,
      );
  }
}
