import type { Extent, LawFamily, Place } from "./lawFamilies.ts";

/** A best learning rate with its error, both as natural logarithms. */
export interface Optimum extends Place {
  readonly logRate: number;
  /** Standard error of `logRate`. */
  readonly error: number;
}

/** A law with numbers. */
export interface LawFit {
  readonly family: LawFamily;
  readonly logScale: number;
  readonly coordinates: readonly number[];
  /** Sum of squared residuals, each in units of its standard error. */
  readonly chiSquared: number;
}

/**
 * `log η*` of a fitted law.
 */
export function predictLog(fit: LawFit, place: Place): number {
  return fit.logScale + fit.family.logShape(place, fit.coordinates);
}

/** Search ranges' extent of some optima. */
export function extentOf(optima: readonly Place[]): Extent {
  const batches = optima.map(({ batchSize }) => batchSize);
  const epsilons = optima.map(({ epsilon }) => epsilon).filter((value) => value > 0);
  return {
    batchSize: [Math.min(...batches), Math.max(...batches)],
    epsilon: epsilons.length > 0 ? [Math.min(...epsilons), Math.max(...epsilons)] : [1, 1],
  };
}

/** How often the search grid is drawn together around its best point, each time by a factor of 3. */
const zooms = 7;

/**
 * Fits a law to optima by weighted least squares of `log η*`.
 *
 * The scale has a closed form; the one to three shape parameters are searched on a grid over their whole range, which is then drawn
 * together around its best point again and again. That finds the global minimum, needs no derivatives and no starting point, and
 * can't run away along the flat valleys that these laws have (a noise scale far outside of the sweep), where a Levenberg–Marquardt
 * iteration stops wherever it began. The result never depends on the order of the optima beyond rounding.
 *
 * @param extent - where to search; default that of the optima
 *
 * @example
 * ```ts
 * const family = lawFamilies.find(({ name }) => name === "power")!;
 * const optima = [16, 64, 256].map((batchSize) => ({
 *   batchSize,
 *   epsilon: 0,
 *   logRate: Math.log(0.001 * batchSize ** 0.7),
 *   error: 0.05,
 * }));
 * const fit = fitLaw(family, optima);
 * family.values(fit.coordinates); // => [0.700]
 * ```
 */
export function fitLaw(family: LawFamily, optima: readonly Optimum[], extent = extentOf(optima)): LawFit {
  const weights = optima.map(({ error }) => 1 / error ** 2);
  const total = weights.reduce((a, b) => a + b, 0);
  const evaluate = (coordinates: readonly number[]) => {
    let [mean, square] = [0, 0];
    for (let i = 0; i < optima.length; i++) {
      const residual = optima[i]!.logRate - family.logShape(optima[i]!, coordinates);
      const w = weights[i]!;
      mean += w * residual;
      square += w * residual * residual;
    }
    mean /= total;
    return { logScale: mean, chiSquared: Math.max(0, square - total * mean * mean) };
  };
  const ranges = family.range(extent);
  let best = ranges.map(([low, high]) => (low + high) / 2);
  let result = evaluate(best);
  if (ranges.length > 0) {
    let steps = ranges.map(([low, high, points]) => (high - low) / (points - 1));
    let grid = ranges.map(([low, , points], d) =>
      Array.from({ length: points }, (_, i) => low + i * steps[d]!),
    );
    for (let zoom = 0; zoom <= zooms; zoom++) {
      const visit = (chosen: number[]): void => {
        if (chosen.length < grid.length) {
          for (const value of grid[chosen.length]!) visit([...chosen, value]);
          return;
        }
        const candidate = evaluate(chosen);
        if (candidate.chiSquared < result.chiSquared - 1e-12) {
          best = chosen;
          result = candidate;
        }
      };
      visit([]);
      const half = zoom === 0 ? 3 : 2;
      steps = steps.map((step) => step / 3);
      grid = ranges.map(([low, high], d) =>
        Array.from({ length: 2 * half + 1 }, (_, i) => best[d]! + (i - half) * steps[d]!).filter(
          (value) => value >= low && value <= high,
        ),
      );
    }
  }
  return { family, coordinates: best, ...result };
}
