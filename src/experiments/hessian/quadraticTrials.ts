import { numpy as np, random } from "@jax-js/jax";
import { compareWithHessian, type HessianAgreement, RunningMoments } from "../../curvature/index.ts";

/** A quadratic `½(θ − θ*)ᵀH(θ − θ*)` with `H_ii = s_i²` and `H_ij = ρ·s_i·s_j`; `s²` is spread evenly over three decades. */
export interface QuadraticSettings {
  readonly size: number;
  /** `ρ`, in [0, 1): how far parameters act on the loss together. 0 is a diagonal Hessian. */
  readonly correlation: number;
}

export interface QuadraticResult {
  /** `√E[g²]` beside `|diag H|`, both exact. */
  readonly exact: HessianAgreement;
  /** Slope of the sampled `√E[g²]` over the exact row norms of H times σ: 1 if `E[gᵍᵀ] = σ²HHᵀ`. */
  readonly sampled: HessianAgreement;
  /** `‖E[ggᵀ] − σ²HHᵀ‖_F` of the samples over what so many samples leave by chance. */
  readonly errorOverChance: number;
}

function hessianOf({ size, correlation }: QuadraticSettings): number[][] {
  const scales = Array.from({ length: size }, (_, i) => 10 ** (-1.5 * (i / (size - 1))));
  return scales.map((a, i) => scales.map((b, j) => (i === j ? a * a : correlation * a * b)));
}

/**
 * Draws `θ − θ* ~ N(0, σ²I)`, takes the gradients `g = H(θ − θ*)` and compares their second moments with `σ²HHᵀ`.
 */
export function quadraticTrial(
  settings: QuadraticSettings,
  { numSamples, sigma, seed }: { numSamples: number; sigma: number; seed: number },
): QuadraticResult {
  const { size } = settings;
  const hessian = hessianOf(settings);
  const moments = new RunningMoments(size * size);
  const noise = random.normal(random.key(seed), [numSamples, size]).mul(sigma);
  const gradients = np.matmul(noise, np.array(hessian)).js() as number[][];
  const product = new Float64Array(size * size);
  for (const g of gradients) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) product[i * size + j] = g[i]! * g[j]!;
    }
    moments.add(product);
  }
  const expected = hessian.map((row) =>
    hessian.map((other) => sigma ** 2 * row.reduce((sum, x, k) => sum + x * other[k]!, 0)),
  );
  // The variance of a sample of g_i·g_j is C_ii·C_jj + C_ij² for normal g with covariance C.
  let [error, chance] = [0, 0];
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      error += (moments.mean[i * size + j]! - expected[i]![j]!) ** 2;
      chance += (expected[i]![i]! * expected[j]![j]! + expected[i]![j]! ** 2) / numSamples;
    }
  }
  const diagonal = hessian.map((row, i) => row[i]!);
  const rootOf = (values: readonly number[]) => values.map((value) => Math.sqrt(value));
  const rowNorms = rootOf(hessian.map((row) => row.reduce((sum, x) => sum + x * x, 0)));
  const sampledRoots = rootOf(diagonal.map((_, i) => moments.mean[i * size + i]!));
  return {
    exact: compareWithHessian(rootOf(expected.map((row, i) => row[i]!)), diagonal),
    sampled: compareWithHessian(
      sampledRoots,
      rowNorms.map((norm) => sigma * norm),
    ),
    errorOverChance: Math.sqrt(error / chance),
  };
}
