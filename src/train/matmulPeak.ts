import { numpy as np } from "@jax-js/jax";
import { compile, EngineArray } from "../compile/index.ts";

/**
 * Floating-point operations per second that the machine reaches on a product of two `1024 × 1024` matrices: the best of a few
 * runs. What a training step is measured against.
 */
export async function measureMatmulPeak(threads?: number): Promise<number> {
  const size = 1024;
  const product = compile((a: np.Array, b: np.Array) => np.matmul(a, b), {
    ...(threads === undefined ? {} : { threads }),
    outputs: "engine",
  });
  const matrix = () =>
    EngineArray.from(
      Float32Array.from({ length: size * size }, (_, i) => Math.sin(i)),
      [size, size],
    );
  const [a, b] = [matrix(), matrix()];
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 8; run++) {
    const start = performance.now();
    await product(a as never, b as never);
    best = Math.min(best, performance.now() - start);
  }
  await product.dispose();
  return (2 * size ** 3) / (best / 1000);
}
