import { CholeskyDecomposition, type Matrix } from "ml-matrix";

/** A linear function of features that was fitted to several targets at once. */
export interface LinearProbe {
  /** `[F, T]`, of standardized features. */
  readonly weights: Matrix;
  readonly featureMeans: Float64Array;
  readonly featureScales: Float64Array;
  readonly targetMeans: Float64Array;
}

function columnMoments(rows: Matrix): { means: Float64Array; scales: Float64Array } {
  const means = Float64Array.from(rows.mean("column"));
  const deviations = rows.standardDeviation("column", { unbiased: false });
  // A feature that never changes says nothing, whatever it is divided by.
  return { means, scales: Float64Array.from(deviations, (value) => (value > 0 ? value : 1)) };
}

function standardized(rows: Matrix, means: Float64Array, scales: Float64Array): Matrix {
  return rows
    .clone()
    .subRowVector([...means])
    .divRowVector([...scales]);
}

/**
 * Ridge regression: the `W` that minimizes `‖XW − Y‖²/n + ridge·‖W‖²` for standardized features `X` and centred targets `Y`.
 *
 * @param features - `[n, F]`
 * @param targets - `[n, T]`
 */
export function fitLinearProbe(features: Matrix, targets: Matrix, ridge: number): LinearProbe {
  const { means, scales } = columnMoments(features);
  const x = standardized(features, means, scales);
  const targetMeans = Float64Array.from(targets.mean("column"));
  const transposed = x.transpose();
  const gram = transposed.mmul(x).div(features.rows);
  for (let i = 0; i < gram.rows; i++) gram.set(i, i, gram.get(i, i) + ridge);
  const moments = transposed.mmul(targets.clone().subRowVector([...targetMeans])).div(features.rows);
  return {
    weights: new CholeskyDecomposition(gram).solve(moments),
    featureMeans: means,
    featureScales: scales,
    targetMeans,
  };
}

/** @returns `[n, T]` */
export function predictLinearProbe(probe: LinearProbe, features: Matrix): Matrix {
  return standardized(features, probe.featureMeans, probe.featureScales)
    .mmul(probe.weights)
    .addRowVector([...probe.targetMeans]);
}

/** `1 − Σ(y − ŷ)²/Σ(y − ȳ)²`: 1 is perfect, 0 no better than the mean, below 0 worse. */
export function rSquared(actual: ArrayLike<number>, predicted: ArrayLike<number>): number {
  let [mean, residual, spread] = [0, 0, 0];
  for (let i = 0; i < actual.length; i++) mean += actual[i]! / actual.length;
  for (let i = 0; i < actual.length; i++) {
    residual += (actual[i]! - predicted[i]!) ** 2;
    spread += (actual[i]! - mean) ** 2;
  }
  return 1 - residual / spread;
}

/** The probability that a value of `larger` exceeds one of `smaller`, ties counted half: the area under the ROC curve. */
export function orderingAccuracy(smaller: readonly number[], larger: readonly number[]): number {
  let wins = 0;
  for (const a of smaller) for (const b of larger) wins += b > a ? 1 : b === a ? 0.5 : 0;
  return wins / (smaller.length * larger.length);
}
