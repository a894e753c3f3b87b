import { numpy as np } from "@jax-js/jax";
import { compile, EngineArray, type EnginePlacement, toDevice } from "../compile/index.ts";

/** Speeds of a device. */
export interface DeviceSpeed {
  /** Floating-point operations per second of a product of two `1024 × 1024` matrices of float32. */
  readonly matmulPeak: number;
  /** Bytes per second, read and written, of adding 1 to 16 million numbers of float32. */
  readonly bandwidth: number;
}

const mostMilliseconds = 1000;

/** Seconds of a function of arrays, the best of a few runs. Only one of its elements comes back, so that a GPU has nothing to copy. */
async function bestSeconds(
  fn: (...arrays: np.Array[]) => np.Array,
  inputs: readonly EngineArray[],
  placement: EnginePlacement,
): Promise<number> {
  await using run = compile((...arrays: np.Array[]) => fn(...arrays).slice([0, 1], [0, 1]), placement);
  const given = await toDevice(inputs, placement);
  let best = Number.POSITIVE_INFINITY;
  const begin = performance.now();
  // A slow device is known well enough after a few.
  for (let count = 0; count < 8 && (count < 2 || performance.now() - begin < mostMilliseconds); count++) {
    const start = performance.now();
    (await run(...given)).dispose();
    best = Math.min(best, performance.now() - start);
  }
  return best / 1000;
}

/** Numbers between −1 and 1, which a product neither overflows nor makes tiny. */
function matrix(rows: number, columns: number): EngineArray {
  const data = new Float32Array(rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = ((i * 37) % 101) / 50 - 1;
  return EngineArray.from(data, [rows, columns]);
}

async function productSpeed(size: number, placement: EnginePlacement): Promise<number> {
  const product = (a: np.Array, b: np.Array) => np.matmul(a, b);
  return (2 * size ** 3) / (await bestSeconds(product, [matrix(size, size), matrix(size, size)], placement));
}

/**
 * Floating-point operations per second that the machine reaches on a product of two `1024 × 1024` matrices: the best of a few
 * runs. What a training step is measured against.
 */
export async function measureMatmulPeak(placement: EnginePlacement = {}): Promise<number> {
  const size = 1024;
  if ((placement.device ?? "cpu") !== "cpu") {
    // A device in software would take minutes for what it won't be used for.
    const small = await productSpeed(size / 8, placement);
    if ((2 * size ** 3) / small > mostMilliseconds / 1000) return small;
  }
  return await productSpeed(size, placement);
}

/** How fast a device computes and moves memory: the best of a few runs of each. */
export async function measureDevice(placement: EnginePlacement): Promise<DeviceSpeed> {
  const [rows, columns] = [4096, 4096];
  const seconds = await bestSeconds((x) => x.add(1), [matrix(rows, columns)], placement);
  return { matmulPeak: await measureMatmulPeak(placement), bandwidth: (8 * rows * columns) / seconds };
}
