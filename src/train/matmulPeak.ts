import { numpy as np } from "@jax-js/jax";
import { compile, EngineArray, type EnginePlacement } from "../compile/index.ts";

const mostMilliseconds = 1000;

/**
 * Floating-point operations per second that the machine reaches on a product of two `1024 × 1024` matrices: the best of a few
 * runs. What a training step is measured against.
 */
export async function measureMatmulPeak(placement: EnginePlacement = {}): Promise<number> {
  const size = 1024;
  const product = compile((a: np.Array, b: np.Array) => np.matmul(a, b), {
    ...placement,
    outputs: "engine",
  });
  const matrix = () =>
    EngineArray.from(
      Float32Array.from({ length: size * size }, (_, i) => Math.sin(i)),
      [size, size],
    );
  const [a, b] = [matrix(), matrix()];
  let best = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  // A slow device is known well enough after a few.
  for (let run = 0; run < 8 && (run < 2 || performance.now() - begin < mostMilliseconds); run++) {
    const start = performance.now();
    await product(a, b);
    best = Math.min(best, performance.now() - start);
  }
  await product.dispose();
  return (2 * size ** 3) / (best / 1000);
}
