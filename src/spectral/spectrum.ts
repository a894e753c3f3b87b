import { DataError, ShapeError } from "../errors.ts";
import { singularValues } from "./symmetricEigenvalues.ts";

/** What the singular values of a matrix say of it. */
export interface Spectrum {
  /** Descending. */
  readonly singularValues: Float64Array;
  /** `σ₁` */
  readonly spectralNorm: number;
  /** `√Σσᵢ²` */
  readonly frobeniusNorm: number;
  /** `Σσᵢ` */
  readonly nuclearNorm: number;
  /** `Σσᵢ² / σ₁²`, between 1 and the rank; 0 for a zero matrix (Rudelson and Vershynin, 2007). */
  readonly stableRank: number;
  /** `exp(−Σ pᵢ ln pᵢ)` with `pᵢ = σᵢ/Σσ`; 0 for a zero matrix (Roy and Vetterli, 2007). */
  readonly effectiveRank: number;
  /** `σ₁/σ_min`; infinite if a singular value is 0. */
  readonly conditionNumber: number;
}

/**
 * The spectrum of a matrix, in float64.
 *
 * @param elements - row-major, `rows × columns`
 * @throws DataError if an element is not finite, ShapeError if their number is wrong
 *
 * @example
 * ```ts
 * const { spectralNorm, nuclearNorm, stableRank } = spectrum([3, 0, 0, 4], 2, 2);
 * [spectralNorm, nuclearNorm, stableRank]; // => [4.000, 7.000, 1.5625]
 * ```
 */
export function spectrum(elements: ArrayLike<number>, rows: number, columns: number): Spectrum {
  if (elements.length !== rows * columns)
    throw new ShapeError(
      `spectrum: elements are [${elements.length}], expected [${rows * columns}], ${rows} × ${columns} of them`,
    );
  for (let i = 0; i < elements.length; i++) {
    if (!Number.isFinite(elements[i])) {
      const place = `[${Math.floor(i / columns)}, ${i % columns}]`;
      throw new DataError(`spectrum: element ${place} is ${elements[i]}: expected finite numbers`);
    }
  }
  return summarizeSpectrum(singularValues(elements, rows, columns));
}

/**
 * @param values - singular values, descending
 *
 * @example
 * ```ts
 * summarizeSpectrum(new Float64Array([2, 2, 0])).effectiveRank; // => 2.000
 * ```
 */
export function summarizeSpectrum(values: Float64Array): Spectrum {
  const spectralNorm = values[0] ?? 0;
  let [squares, sum, entropy] = [0, 0, 0];
  for (const value of values) {
    squares += (value / (spectralNorm || 1)) ** 2;
    sum += value;
  }
  for (const value of values) {
    const share = value / (sum || 1);
    if (share > 0) entropy -= share * Math.log(share);
  }
  return {
    singularValues: values,
    spectralNorm,
    frobeniusNorm: spectralNorm * Math.sqrt(squares),
    nuclearNorm: sum,
    stableRank: squares,
    effectiveRank: spectralNorm === 0 ? 0 : Math.exp(entropy),
    conditionNumber: spectralNorm === 0 ? Number.POSITIVE_INFINITY : spectralNorm / values.at(-1)!,
  };
}
