import { ConfigError, ShapeError } from "../errors.ts";

function checkSizes(what: string, a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length || a.length === 0) {
    throw new ShapeError(
      `${what}: ${a.length} and ${b.length} numbers: expected as many of both, at least one`,
    );
  }
}

function checkPeak(what: string, peak: number): void {
  if (!(peak > 0) || !Number.isFinite(peak))
    throw new ConfigError(`${what} peak ${peak}: expected a positive number`);
}

/**
 * `mean (a − b)²`, summed in float64.
 *
 * @example
 * ```ts
 * meanSquaredError([1, 2], [1, 4]); // => 2
 * ```
 */
export function meanSquaredError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkSizes("meanSquaredError", a, b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum / a.length;
}

/**
 * Peak signal-to-noise ratio in dB, `10·log₁₀(peak²/MSE)`; infinite for equal images.
 *
 * @param peak - width of the range of values. Default 1.
 *
 * @example
 * ```ts
 * psnr([0, 0], [0.1, 0.1]); // => 20.000
 * ```
 */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>, peak = 1): number {
  checkPeak("psnr", peak);
  return 10 * Math.log10(peak ** 2 / meanSquaredError(a, b));
}

export interface ImageShape {
  readonly height: number;
  readonly width: number;
  /** Innermost, as in `[height, width, channels]`. Default 1. */
  readonly channels?: number;
}

const radius = 5;
const gaussian = (() => {
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * 1.5 ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / sum);
})();

/** Gaussian means at all places where the window fits. */
function blur(plane: Float64Array, height: number, width: number): Float64Array {
  const [rows, columns] = [height - 2 * radius, width - 2 * radius];
  const across = new Float64Array(height * columns);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      gaussian.forEach((w, i) => {
        sum += w * plane[y * width + x + i]!;
      });
      across[y * columns + x] = sum;
    }
  }
  const out = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      gaussian.forEach((w, i) => {
        sum += w * across[(y + i) * columns + x]!;
      });
      out[y * columns + x] = sum;
    }
  }
  return out;
}

/**
 * Structural similarity, the mean over places and channels of
 * `(2 μ_a μ_b + c₁)(2 σ_ab + c₂) / ((μ_a² + μ_b² + c₁)(σ_a² + σ_b² + c₂))`, with Gaussian windows of 11 × 11 and deviation 1.5 that
 * lie inside the image, `c₁ = (0.01·peak)²`, `c₂ = (0.03·peak)²`. 1 for equal images.
 *
 * @param peak - width of the range of values. Default 1.
 * @throws ShapeError for images smaller than the window, or numbers that don't fit the shape
 *
 * Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, 2004.
 *
 * @example
 * ```ts
 * const image = Float32Array.from({ length: 144 }, (_, i) => (i % 7) / 7);
 * ssim(image, image, { height: 12, width: 12 }); // => 1.000
 * const negative = image.map((x) => 1 - x);
 * ssim(image, negative, { height: 12, width: 12 }) < 0; // => true
 * ```
 */
export function ssim(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { height, width, channels = 1 }: ImageShape,
  peak = 1,
): number {
  checkSizes("ssim", a, b);
  checkPeak("ssim", peak);
  if (a.length !== height * width * channels || Math.min(height, width) <= 2 * radius) {
    throw new ShapeError(
      `ssim: ${a.length} numbers as ${height} × ${width} × ${channels}: expected that many, and sides of at least 11`,
    );
  }
  const [c1, c2] = [(0.01 * peak) ** 2, (0.03 * peak) ** 2];
  let sum = 0;
  for (let channel = 0; channel < channels; channel++) {
    const plane = (f: (i: number) => number) =>
      blur(
        Float64Array.from({ length: height * width }, (_, i) => f(i * channels + channel)),
        height,
        width,
      );
    const meanA = plane((i) => a[i]!);
    const meanB = plane((i) => b[i]!);
    const squareA = plane((i) => a[i]! ** 2);
    const squareB = plane((i) => b[i]! ** 2);
    const product = plane((i) => a[i]! * b[i]!);
    let total = 0;
    for (let i = 0; i < meanA.length; i++) {
      const [ma, mb] = [meanA[i]!, meanB[i]!];
      const variances = squareA[i]! - ma * ma + squareB[i]! - mb * mb;
      const covariance = product[i]! - ma * mb;
      total += ((2 * ma * mb + c1) * (2 * covariance + c2)) / ((ma * ma + mb * mb + c1) * (variances + c2));
    }
    sum += total / meanA.length;
  }
  return sum / channels;
}
