import { normalSampler } from "../../numbers/index.ts";

/** A quadratic loss `½wᵀHw` at a point w, with gradient noise of covariance Σ per sample. */
export interface Quadratic {
  readonly point: Float64Array;
  /** Row by row. */
  readonly hessian: Float64Array;
  readonly covariance: Float64Array;
}

export function multiply(matrix: ArrayLike<number>, vector: ArrayLike<number>): Float64Array {
  const n = vector.length;
  return Float64Array.from({ length: n }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < n; j++) sum += matrix[i * n + j]! * vector[j]!;
    return sum;
  });
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** A random positive definite matrix: `AAᵀ/n + floor·I`, plus `common` times a matrix of ones. */
export function randomPositive(n: number, seed: number, { floor = 0.1, common = 0 } = {}): Float64Array {
  const draw = normalSampler(seed);
  const a = Float64Array.from({ length: n * n }, () => draw());
  return Float64Array.from({ length: n * n }, (_, index) => {
    const [i, j] = [Math.floor(index / n), index % n];
    return (
      dot(a.subarray(i * n, (i + 1) * n), a.subarray(j * n, (j + 1) * n)) / n + (i === j ? floor : 0) + common
    );
  });
}

export function diagonal(values: readonly number[]): Float64Array {
  const n = values.length;
  return Float64Array.from({ length: n * n }, (_, index) =>
    index % (n + 1) === 0 ? values[index / (n + 1)]! : 0,
  );
}

/** Lower Cholesky factor. */
function cholesky(matrix: Float64Array): Float64Array {
  const n = Math.sqrt(matrix.length);
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j]!;
    }
  }
  return l;
}

/** Gradients of batches of size B. */
export function drawGradients(problem: Quadratic, batchSize: number, count: number, seed: number) {
  const gradient = multiply(problem.hessian, problem.point);
  const factor = cholesky(problem.covariance);
  const draw = normalSampler(seed);
  const scale = 1 / Math.sqrt(batchSize);
  return Array.from({ length: count }, () => {
    const noise = multiply(
      factor,
      Float64Array.from({ length: gradient.length }, () => draw()),
    );
    return gradient.map((value, i) => value + scale * noise[i]!);
  });
}

/**
 * The learning rate with the least mean loss after one step, by golden-section search over the given directions: no law is used.
 */
export function bestByTrial(
  loss: (point: Float64Array) => number,
  point: Float64Array,
  directions: readonly Float64Array[],
  [low, high]: readonly [number, number],
): { learningRate: number; lossDecrease: number } {
  const start = loss(point);
  const mean = (logRate: number) => {
    const rate = Math.exp(logRate);
    let sum = 0;
    for (const direction of directions) sum += loss(point.map((value, i) => value - rate * direction[i]!));
    return sum / directions.length;
  };
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [Math.log(low), Math.log(high)];
  let [c, d] = [b - ratio * (b - a), a + ratio * (b - a)];
  let [fc, fd] = [mean(c), mean(d)];
  while (b - a > 1e-3) {
    if (fc < fd) {
      [b, d, fd] = [d, c, fc];
      c = b - ratio * (b - a);
      fc = mean(c);
    } else {
      [a, c, fc] = [c, d, fd];
      d = a + ratio * (b - a);
      fd = mean(d);
    }
  }
  return { learningRate: Math.exp((a + b) / 2), lossDecrease: start - mean((a + b) / 2) };
}
