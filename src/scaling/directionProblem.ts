import { ConfigError } from "../errors.ts";
import { requirePositive } from "./checks.ts";
import type { DirectionMoments } from "./generalLaw.ts";

/** Gradient, noise and curvature of each component, for laws that look at components one by one. */
export interface ComponentStatistics {
  /** g, the noiseless gradient. */
  readonly gradient: ArrayLike<number>;
  /** σ_i = √Σ_ii, the standard deviation of one sample's gradient, ≥ 0. */
  readonly deviation: ArrayLike<number>;
  /** H row by row, n·n numbers, or only its diagonal, n numbers. */
  readonly hessian: ArrayLike<number>;
}

/** @throws ConfigError if lengths don't match or a deviation is negative */
export function checkComponents(where: string, { gradient, deviation, hessian }: ComponentStatistics): void {
  const n = gradient.length;
  if (n === 0) throw new ConfigError(`${where}: gradient: expected one or more components`);
  if (deviation.length !== n)
    throw new ConfigError(`${where}: deviation has ${deviation.length} components, the gradient has ${n}`);
  if (hessian.length !== n && hessian.length !== n * n)
    throw new ConfigError(`${where}: hessian has ${hessian.length} numbers: expected ${n} or ${n * n}`);
  for (let i = 0; i < n; i++) {
    if (!(deviation[i]! >= 0))
      throw new ConfigError(`${where}: deviation[${i}] ${deviation[i]}: expected a number ≥ 0`);
  }
}

/** `Σ_i v_i²-or-given·H_ii + Σ_{i≠j} v_i v_j H_ij`, with `squares[i]` in place of `v_i²`. */
export function expectedQuadraticForm(
  hessian: ArrayLike<number>,
  means: ArrayLike<number>,
  squares: ArrayLike<number>,
): number {
  const n = means.length;
  let sum = 0;
  if (hessian.length === n) {
    for (let i = 0; i < n; i++) sum += squares[i]! * hessian[i]!;
    return sum;
  }
  for (let i = 0; i < n; i++) {
    let row = 0;
    for (let j = 0; j < n; j++) if (j !== i) row += hessian[i * n + j]! * means[j]!;
    sum += means[i]! * row + squares[i]! * hessian[i * n + i]!;
  }
  return sum;
}

/** `E[φ̃]ᵀg` and `E[φ̃ᵀHφ̃]` of an update whose components are independent, from each component's first two moments. */
export function independentMoments(
  where: string,
  statistics: ComponentStatistics,
  batchSize: number,
  moments: (gradient: number, deviation: number) => { mean: number; square: number },
): DirectionMoments {
  checkComponents(where, statistics);
  requirePositive(where, { batchSize });
  const { gradient, deviation, hessian } = statistics;
  const means = new Float64Array(gradient.length);
  const squares = new Float64Array(gradient.length);
  let alignment = 0;
  for (let i = 0; i < gradient.length; i++) {
    const { mean, square } = moments(gradient[i]!, deviation[i]!);
    means[i] = mean;
    squares[i] = square;
    alignment += mean * gradient[i]!;
  }
  return { alignment, curvature: expectedQuadraticForm(hessian, means, squares) };
}
