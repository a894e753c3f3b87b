/** Runs that differ in learning rate and seed only. */
export interface CurveRuns {
  /** Finite losses with the natural logarithm of their learning rate, and the loss's standard error where it's known. */
  readonly points: readonly { readonly x: number; readonly loss: number; readonly error?: number }[];
  /** Logarithms of learning rates at which most runs diverged. */
  readonly diverged: readonly number[];
}

/** Where the loss is least, as a function of `x = log(learning rate)`. */
export interface CurveMinimum {
  /**
   * - `"interior"`: a curve was fitted, and the interval lies inside the tried learning rates
   * - `"bracketed"`: no noise could be estimated, or larger learning rates diverge; the interval is that of the neighbours tried
   * - `"above"`, `"below"`: the optimum may lie beyond the largest or smallest learning rate tried
   * - `"unresolved"`: the losses don't tell
   */
  readonly kind: "interior" | "bracketed" | "above" | "below" | "unresolved";
  readonly x: number;
  readonly low: number;
  readonly high: number;
  /** Standard error of x without what it shares with the other curves; infinite where the lowest loss is at the edge: only a bound. */
  readonly error: number;
  /** The fitted (or lowest mean) loss at x. */
  readonly loss: number;
  /** The curve `loss + curvature·(e^(k·d) − k·d − 1)/k²` with `d = log(learning rate) − x`, if one was fitted. */
  readonly curve: { readonly curvature: number; readonly asymmetry: number } | null;
  /** Mean distance of neighbouring learning rates, in logarithm. */
  readonly spacing: number;
  /** Logarithms of learning rates whose runs were saturated or past a cliff: they bound the optimum as diverged runs do. */
  readonly saturated: readonly number[];
}

export interface CurveFit {
  readonly minima: readonly CurveMinimum[];
  /** Standard error that all minima share: their common asymmetry moves them together, which doesn't average out. */
  readonly commonError: number;
  /** Standard deviation of one run's loss about its curve; null if there are too few runs to tell. */
  readonly noise: number | null;
}

/** Mean loss of a learning rate, and the weight it has. */
export interface RateLoss {
  readonly x: number;
  readonly loss: number;
  readonly weight: number;
}
