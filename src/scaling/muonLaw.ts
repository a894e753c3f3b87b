import { ConfigError, ShapeError } from "../errors.ts";
import { requirePositive } from "./checks.ts";
import type { DirectionMoments } from "./generalLaw.ts";
import { inverseRootOf, symmetricEigen } from "./inverseRootOf.ts";
import { type SignLaw, signLaw } from "./signLaw.ts";

/** Gradient, noise and curvature of one matrix. */
export interface MatrixStatistics {
  /** n, the longer side, and m ≤ n. */
  readonly rows: number;
  readonly columns: number;
  /** The noiseless gradient G, row by row. */
  readonly gradient: ArrayLike<number>;
  /** `C = E[NᵀN]` of one sample's noise N, m × m: the sum over rows of the rows' covariances; or σ of every entry, for `C = nσ²·I`. */
  readonly noise: ArrayLike<number> | number;
  /** H over the entries, `(nm)²` numbers, or its diagonal, `nm`. */
  readonly hessian: ArrayLike<number>;
}

function check({ rows, columns, gradient, noise, hessian }: MatrixStatistics, batchSize: number): void {
  requirePositive("muonMoments", { batchSize });
  const size = rows * columns;
  if (!(rows >= columns && columns >= 1))
    throw new ConfigError(
      `muonMoments: rows ${rows}, columns ${columns}: expected at least as many rows; give the transposed matrix`,
    );
  const wrong =
    gradient.length !== size ||
    (hessian.length !== size && hessian.length !== size ** 2) ||
    (typeof noise !== "number" && noise.length !== columns ** 2);
  if (wrong)
    throw new ShapeError(
      `muonMoments: gradient ${gradient.length}, hessian ${hessian.length}, noise ${typeof noise === "number" ? 1 : noise.length} numbers: expected ${size}, ${size} or ${size ** 2}, 1 or ${columns ** 2}`,
    );
}

/** `GᵀG + C/B` and `C/B`. */
function grams(statistics: MatrixStatistics, batchSize: number): { full: Float64Array; noise: Float64Array } {
  const { rows: n, columns: m, gradient, noise: given } = statistics;
  const noise = Float64Array.from({ length: m * m }, (_, k) => {
    if (typeof given !== "number") return given[k]! / batchSize;
    return k % (m + 1) === 0 ? (n * given ** 2) / batchSize : 0;
  });
  const full = Float64Array.from(noise);
  for (let r = 0; r < n; r++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < m; j++) full[i * m + j]! += gradient[r * m + i]! * gradient[r * m + j]!;
  return { full, noise };
}

/** `A·B` of small matrices. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, n: number, k: number, m: number): Float64Array {
  const result = new Float64Array(n * m);
  for (let i = 0; i < n; i++)
    for (let l = 0; l < k; l++)
      for (let j = 0; j < m; j++) result[i * m + j]! += a[i * k + l]! * b[l * m + j]!;
  return result;
}

/** Mean and noise of `msign(G̃_B)` in mean field. */
export interface MsignMean {
  /** `E[Φ̃]`, n × m. */
  readonly mean: Float64Array;
  /** Covariance of a row's noise, m × m, the same for all rows. */
  readonly rowCovariance: Float64Array;
}

/**
 * `msign(G̃) = G̃(G̃ᵀG̃)^(−½)` with the expectation moved inside:
 *
 * ```
 * E[Φ̃] ≈ G(GᵀG + C/B)^(−½)      cov of a row ≈ (GᵀG + C/B)^(−½)·(C/nB)·(GᵀG + C/B)^(−½)
 * ```
 *
 * For noise of one size σ every singular value s of the mean gradient becomes `s/√(s² + nσ²/B)`: the sign law with singular values for
 * elements, and n samples for one. `‖Φ̃‖² = m` is kept exactly. With momentum, B is that of `momentumBatches`.
 *
 * Good where `n ≫ m`; the nearer n/m is to 1 the broader the noise's own spectrum (Marchenko–Pastur): signals weaker than the noise come out too
 * large, by 2 % at n/m = 8, 5 % at 4, 10 % at 2 and 17 % at 1, stronger ones too small by up to 4 % (m = 6; `muonLaw.test.ts` draws them).
 *
 * Source: derived from the definition; "Rethinking learning rate and batch size" 3, Su, 2025.
 *
 * @example
 * ```ts
 * // One singular value, as large as the noise: 1/√2 of it is left.
 * const { mean } = msignMean({ rows: 4, columns: 1, gradient: [2, 0, 0, 0], noise: 1, hessian: [1, 1, 1, 1] }, 1);
 * mean[0]; // => 0.707
 * ```
 */
export function msignMean(statistics: MatrixStatistics, batchSize: number): MsignMean {
  check(statistics, batchSize);
  const { rows: n, columns: m, gradient } = statistics;
  const { full, noise } = grams(statistics, batchSize);
  const root = inverseRootOf(full, m);
  const covariance = product(product(root, noise, m, m, m), root, m, m, m);
  return { mean: product(gradient, root, n, m, m), rowCovariance: covariance.map((value) => value / n) };
}

/**
 * `E[tr Φ̃ᵀG]` and `E[tr(Φ̃ᵀH[Φ̃])]` of Muon's update in mean field, for `generalLaw`: as {@link msignMean} has them, rows' noise independent.
 *
 * @param memory - number of updates that share their noise (`momentumBatches`), which counts so many times; the noise of Φ̃ itself is that of
 *   `batchSize·memory`. Default 1: one update.
 *
 * @example
 * ```ts
 * const statistics = { rows: 2, columns: 1, gradient: [3, 0], noise: 1, hessian: [1, 1] };
 * const { alignment, curvature } = muonMoments(statistics, 1e9);
 * [alignment, curvature]; // => [3.00, 1.00]
 * ```
 */
export function muonMoments(statistics: MatrixStatistics, batchSize: number, memory = 1): DirectionMoments {
  const { mean, rowCovariance } = msignMean(statistics, batchSize * memory);
  const { rows: n, columns: m, gradient, hessian } = statistics;
  const size = n * m;
  const isDense = hessian.length !== size;
  let [alignment, signal, noise] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    alignment += mean[i]! * gradient[i]!;
    if (!isDense) signal += hessian[i]! * mean[i]! ** 2;
    else for (let j = 0; j < size; j++) signal += mean[i]! * hessian[i * size + j]! * mean[j]!;
  }
  for (let r = 0; r < n; r++)
    for (let i = 0; i < m; i++) {
      if (!isDense) noise += hessian[r * m + i]! * rowCovariance[i * m + i]!;
      else
        for (let j = 0; j < m; j++)
          noise += hessian[(r * m + i) * size + r * m + j]! * rowCovariance[i * m + j]!;
    }
  return { alignment, curvature: signal + memory * noise };
}

/** What decides Muon's law where all singular values have one ratio to the noise. */
export interface MuonStatistics {
  /** `‖G‖_*`, the sum of the singular values. */
  readonly nuclearNorm: number;
  /** `tr(msign(G)ᵀH[msign(G)])`. */
  readonly msignCurvature: number;
  readonly hessianTrace: number;
  /** n, the longer side. */
  readonly rows: number;
  /** `κ² = nσ²/s²`, in samples: per direction, where the sign law has `σ²/g²` per element. */
  readonly noiseToSignal: number;
}

/**
 * Muon's law with one κ² for all directions. With `D = tr H/n`, the curvature of a random orthogonal matrix, and
 * `Q = tr(msign(G)ᵀH[msign(G)])`,
 *
 * ```
 * η*(B) = β‖G‖_* / (β²Q + (1 − β²)D)      β = (1 + κ²/B)^(−½)
 * ```
 *
 * It is the sign law's family, with its surge where `Q > 2D`, its peak and its critical batch size, in other numbers: there is a surge for
 * Muon too where curvature is larger along the mean gradient's directions than along random ones, and none where H is a multiple of 1, as
 * then `Q = D`. A gradient of rank r with equal singular values has `κ²_sign = σ²nm/(s²r)` per element and `κ²_Muon = nσ²/s²`:
 * Muon's noise scale is r/m of the sign's, so that its learning rate stops growing at batches smaller by as much.
 *
 * @returns for `signOptimum`, κ² in the sign's units
 * @throws ConfigError as `signLaw`
 *
 * @example
 * ```ts
 * const law = muonLaw({ nuclearNorm: 4, msignCurvature: 10, hessianTrace: 64, rows: 32, noiseToSignal: 100 });
 * law.surge; // => true
 * // κ²D/(Q − 2D), where the rate is largest.
 * law.peakBatchSize; // => 33.3
 * signOptimum(law, 1e9).learningRate; // => 0.400
 * ```
 */
export function muonLaw(statistics: MuonStatistics): SignLaw {
  const { nuclearNorm, msignCurvature, hessianTrace, rows, noiseToSignal } = statistics;
  requirePositive("muonLaw", { rows });
  return signLaw({
    gradientAbsoluteSum: nuclearNorm,
    signCurvature: msignCurvature,
    hessianTrace: hessianTrace / rows,
    // The sign law's β has πκ²/2.
    noiseToSignal: (2 / Math.PI) * noiseToSignal,
  });
}

/**
 * {@link MuonStatistics} of a matrix whose noise has one size: κ² is `n·rank·σ²/‖G‖²`, of a mean over directions with weights s².
 *
 * @throws ConfigError for noise that isn't of one size
 *
 * @example
 * ```ts
 * const { nuclearNorm, noiseToSignal } = muonStatistics({
 *   rows: 2, columns: 2, gradient: [3, 0, 0, 1], noise: 1, hessian: [1, 1, 1, 1],
 * });
 * [nuclearNorm, noiseToSignal]; // => [4, 0.4]
 * ```
 */
export function muonStatistics(statistics: MatrixStatistics): MuonStatistics {
  check(statistics, 1);
  const { rows: n, columns: m, gradient, noise, hessian } = statistics;
  if (typeof noise !== "number")
    throw new ConfigError("muonStatistics: noise is a covariance: expected σ, one for every entry");
  const { full } = grams({ ...statistics, noise: 0 }, 1);
  const squares = [...symmetricEigen(full, m).values].map((value) => Math.max(0, value));
  const nuclearNorm = squares.reduce((sum, value) => sum + Math.sqrt(value), 0);
  const total = squares.reduce((sum, value) => sum + value, 0);
  const size = n * m;
  const isDense = hessian.length !== size;
  let hessianTrace = 0;
  for (let i = 0; i < size; i++) hessianTrace += hessian[isDense ? i * size + i : i]!;
  const orthogonal = product(gradient, inverseRootOf(full, m), n, m, m);
  let msignCurvature = 0;
  for (let i = 0; i < size; i++) {
    if (!isDense) msignCurvature += hessian[i]! * orthogonal[i]! ** 2;
    else
      for (let j = 0; j < size; j++)
        msignCurvature += orthogonal[i]! * hessian[i * size + j]! * orthogonal[j]!;
  }
  const rank = squares.filter((value) => value > 1e-14 * Math.max(...squares)).length;
  return {
    nuclearNorm,
    msignCurvature,
    hessianTrace,
    rows: n,
    noiseToSignal: (n * rank * noise ** 2) / total,
  };
}
