import type { SplitMoments } from "./directionSample.ts";

/** Moments of updates of one batch size; the noise is what counts in the curvature, with its factor. */
export interface MomentsAt extends SplitMoments {
  readonly batchSize: number;
}

/**
 * The form that the mean field gives all updates of sign and softsign, and Adam's: with `β² = 1/(1 + N/B)`
 *
 * ```
 * E[φ̃]ᵀg = A·β      E[φ̃]ᵀHE[φ̃] = Q·β²      tr(cov(φ̃)H) = D·(1 − β²)
 * ```
 */
export interface MeanFieldMoments {
  readonly alignment: number;
  /** N, in samples. */
  readonly noiseScale: number;
  readonly signal: number;
  readonly noise: number;
}

/**
 * Least squares of the form through measured moments, to go beyond their batch sizes. N is searched on a grid, from a hundredth of the
 * smallest batch size to ten thousand times the largest; the others follow. Alignments count by their relative deviation.
 *
 * @param measured - at one batch size or more
 */
export function fitMeanFieldMoments(measured: readonly MomentsAt[]): MeanFieldMoments {
  const sizes = measured.map(({ batchSize }) => batchSize);
  const [low, high] = [Math.log(Math.min(...sizes) / 100), Math.log(1e4 * Math.max(...sizes))];
  const points = 120;
  let best: (MeanFieldMoments & { error: number }) | null = null;
  for (let i = 0; i < points; i++) {
    const noiseScale = Math.exp(low + ((high - low) * i) / (points - 1));
    const rows = measured.map((at) => ({ ...at, square: 1 / (1 + noiseScale / at.batchSize) }));
    let [xy, xx] = [0, 0];
    for (const { alignment, square } of rows) {
      const x = Math.sqrt(square) / Math.abs(alignment);
      xy += x * Math.sign(alignment);
      xx += x * x;
    }
    const alignment = xy / xx;
    const error = rows.reduce(
      (sum, { alignment: own, square }) => sum + ((alignment * Math.sqrt(square) - own) / own) ** 2,
      0,
    );
    if (best !== null && error >= best.error) continue;
    const slope = (of: (row: (typeof rows)[number]) => readonly [x: number, y: number]) => {
      const pairs = rows.map(of);
      const squares = pairs.reduce((sum, [x]) => sum + x * x, 0);
      return squares === 0 ? 0 : pairs.reduce((sum, [x, y]) => sum + x * y, 0) / squares;
    };
    best = {
      error,
      alignment,
      noiseScale,
      signal: slope(({ square, signal }) => [square, signal]),
      noise: slope(({ square, noise }) => [1 - square, noise]),
    };
  }
  const { error: _, ...fit } = best!;
  return fit;
}

/**
 * The form at a batch size.
 */
export function meanFieldMomentsAt(
  { alignment, noiseScale, signal, noise }: MeanFieldMoments,
  batchSize: number,
): MomentsAt {
  const square = 1 / (1 + noiseScale / batchSize);
  return {
    batchSize,
    alignment: alignment * Math.sqrt(square),
    signal: signal * square,
    noise: noise * (1 - square),
  };
}
