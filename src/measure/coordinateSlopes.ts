/** Sizes of one thing at several widths. */
export interface CoordinateSizes {
  /** What was looked at: a place in the model, or the path of a parameter. */
  readonly name: string;
  readonly kind: CoordinateKind;
  /** Root mean square per width and seed. */
  readonly sizes: readonly (readonly number[])[];
  /** What training will add to the slope: ½ for products of vectors that grow and are random yet. Default 0. */
  readonly toCome?: number;
}

/**
 * - `"start"`: activations before the first step;
 * - `"change"`: how far they have moved after the last;
 * - `"update"`: how far a parameter has: `‖ΔW‖₂·√(fanIn/fanOut)` of a matrix, the root mean square of others.
 */
export type CoordinateKind = "start" | "change" | "update";

export interface CoordinateRow extends CoordinateSizes {
  /** Mean over seeds per width. */
  readonly means: readonly number[];
  /** Slope of the logarithm over that of the width. */
  readonly slope: number;
  /** Its standard error: that of the fit or of the seeds, the larger; null of one seed at two widths, which have none. */
  readonly error: number | null;
  readonly verdict: "holds" | "fails" | "open";
}

/** A slope up to here is none: twice the size at sixteen times the width. */
export const coordinateTolerance = 0.25;

function line(x: readonly number[], y: readonly number[]): { slope: number; error: number | null } {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const slope = x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0) / spread;
  const rest = y.reduce((sum, value, i) => sum + (value - my - slope * (x[i]! - mx)) ** 2, 0);
  return { slope, error: x.length > 2 ? Math.sqrt(rest / (x.length - 2) / spread) : null };
}

/**
 * The slope of sizes over widths and what it says: what moves is to move by as much at every width; what is there at the start mustn't
 * grow, and may shrink, as logits and scores of random queries and keys do (those of `scores …` while they move, too). Things of size 0 at
 * every width don't move. Random queries and keys of size H have products of size √H, aligned ones of H: where heads grow, scores that don't
 * shrink at the start will grow (`toCome`). One seed at two widths has a slope without an error, and its verdict stays open.
 *
 * @param widths - two or more, ascending
 *
 * @example
 * ```ts
 * const row = coordinateSlope([64, 128, 256], { name: "head", kind: "update", sizes: [[1, 1.1], [2, 2.1], [4, 3.9]] });
 * row.slope; // => 0.95
 * row.verdict; // => "fails"
 * ```
 */
export function coordinateSlope(widths: readonly number[], own: CoordinateSizes): CoordinateRow {
  const means = own.sizes.map((seeds) => seeds.reduce((a, b) => a + b, 0) / seeds.length);
  if (means.every((mean) => mean === 0)) return { ...own, means, slope: 0, error: 0, verdict: "holds" };
  if (!means.every((mean) => mean > 0 && Number.isFinite(mean)))
    return { ...own, means, slope: Number.POSITIVE_INFINITY, error: 0, verdict: "fails" };
  const x = widths.map(Math.log);
  const all = line(x, means.map(Math.log));
  const numSeeds = own.sizes[0]!.length;
  const bySeed = Array.from({ length: numSeeds }, (_, seed) =>
    line(
      x,
      own.sizes.map((seeds) => Math.log(Math.max(seeds[seed]!, 1e-300))),
    ),
  ).map(({ slope }) => slope);
  const center = bySeed.reduce((a, b) => a + b, 0) / numSeeds;
  const scatter =
    numSeeds > 1
      ? Math.sqrt(bySeed.reduce((sum, slope) => sum + (slope - center) ** 2, 0) / (numSeeds - 1) / numSeeds)
      : null;
  const errors = [all.error, scatter].filter((own) => own !== null);
  const error = errors.length === 0 ? null : Math.max(...errors);
  // Scores of queries and keys that have begun to align shrink too: at first by up to the root of a head's size.
  const mayShrink = own.kind === "start" || (own.kind === "change" && own.name.startsWith("scores"));
  const away = mayShrink ? all.slope + (own.toCome ?? 0) : Math.abs(all.slope);
  const verdict =
    error === null
      ? "open"
      : away <= coordinateTolerance
        ? "holds"
        : away - 2 * error > coordinateTolerance
          ? "fails"
          : "open";
  return { ...own, means, slope: all.slope, error, verdict };
}
