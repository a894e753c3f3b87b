/** The lowest loss of a batch size, over its learning rates. */
export interface BatchLoss {
  readonly batchSize: number;
  readonly loss: number;
}

/** Where the losses of a sweep with one token budget place the best batch size, as a rough guide for the laws of the learning rate. */
export interface LossMinimum {
  /** Logarithm of the batch size. */
  readonly x: number;
  readonly error: number;
  /**
   * From 0 to 1: how clearly small batches cost loss, in units of the scatter between neighbours. Where they do, the learning rate stops
   * rising at about the best batch size (Step Law's runs); where they don't (perceptrons on small tables), it rises on.
   */
  readonly clarity: number;
}

/** Scatters above which a rise towards small batches counts as clear. */
const clear = 8;
/** Standard error of the turn of the learning rate about the best batch size, measured on Step Law's groups. */
const turnError = 0.3;

/** Scatter of losses between neighbouring batch sizes, from how much they bend in turn. */
function scatterOf(points: readonly { readonly x: number; readonly loss: number }[]): number {
  const bends = points.slice(1, -1).map(({ x, loss }, i) => {
    const [a, b] = [points[i]!, points[i + 2]!];
    const t = (x - a.x) / (b.x - a.x);
    return (loss - (1 - t) * a.loss - t * b.loss) / Math.sqrt(1 + t * t + (1 - t) ** 2);
  });
  const differences =
    bends.length < 2 ? bends : bends.slice(1).map((bend, i) => (bend - bends[i]!) / Math.SQRT2);
  return Math.sqrt(differences.reduce((sum, d) => sum + d * d, 0) / Math.max(1, differences.length));
}

/** Vertex of the parabola of least squares, relative to `points[at]`; null if it bends down. */
function vertex(
  points: readonly { readonly x: number; readonly loss: number }[],
  at: { x: number; loss: number },
) {
  const power = [0, 0, 0, 0, 0];
  const moment = [0, 0, 0];
  for (const { x, loss } of points) {
    for (let p = 0; p < 5; p++) power[p]! += (x - at.x) ** p;
    for (let p = 0; p < 3; p++) moment[p]! += (loss - at.loss) * (x - at.x) ** p;
  }
  const [s0, s1, s2, s3, s4] = power as [number, number, number, number, number];
  const [t0, t1, t2] = moment as [number, number, number];
  const determinant = s0 * (s2 * s4 - s3 * s3) - s1 * (s1 * s4 - s2 * s3) + s2 * (s1 * s3 - s2 * s2);
  const slope =
    (s0 * (t1 * s4 - s3 * t2) - t0 * (s1 * s4 - s2 * s3) + s2 * (s1 * t2 - t1 * s2)) / determinant;
  const bend = (s0 * (s2 * t2 - t1 * s3) - s1 * (s1 * t2 - t1 * s2) + t0 * (s1 * s3 - s2 * s2)) / determinant;
  return bend > 0 ? -slope / (2 * bend) : null;
}

/**
 * The batch size of the lowest loss: vertex of a parabola in log batch size through the lowest loss and two neighbours on each side, at most a
 * factor of 20 outside of the sweep, with an error that grows with the distance to it. Null for fewer than 3 batch sizes.
 */
export function lossMinimum(losses: readonly BatchLoss[]): LossMinimum | null {
  if (losses.length < 3) return null;
  const points = losses
    .map(({ batchSize, loss }) => ({ x: Math.log(batchSize), loss }))
    .sort((a, b) => a.x - b.x);
  let lowest = 0;
  points.forEach(({ loss }, i) => {
    if (loss < points[lowest]!.loss) lowest = i;
  });
  const at = points[lowest]!;
  const [first, last] = [points[0]!, points.at(-1)!];
  const near = points.slice(Math.min(points.length - 3, Math.max(0, lowest - 2)), Math.max(3, lowest + 3));
  const scatter = scatterOf(points);
  const rise = first.loss - at.loss;
  const clarity = rise <= 0 ? 0 : rise ** 2 / (rise ** 2 + (clear * scatter) ** 2);
  const found = vertex(near, at);
  if (found === null) {
    const outside = lowest === 0 ? -2 : lowest === points.length - 1 ? 2 : 0;
    return { x: at.x + outside, error: outside === 0 ? 0.4 : 1.5, clarity };
  }
  const x = at.x + Math.min(3, Math.max(-3, found));
  return { x, error: Math.hypot(turnError, 0.5 * Math.max(0, x - last.x, first.x - x)), clarity };
}
