import { type numpy as np, random } from "@jax-js/jax";
import type { QuantizerConfig } from "../../config/index.ts";

/** Size of a latent vector, but for FSQ, whose size is its number of levels. */
export const dim = 8;

/** Levels whose product is exactly the number of codes. */
const fsqLevels: Readonly<Record<number, readonly number[]>> = {
  64: [8, 8],
  1024: [8, 8, 4, 4],
  8192: [8, 8, 8, 4, 4],
  65536: [8, 8, 8, 8, 4, 4],
};

export interface Method {
  /** @param numVectors - of a batch */
  quantizer(numCodes: number, numVectors: number): QuantizerConfig;
  /** First codes, in place of the quantizer's own. */
  readonly start?: (key: np.Array, numCodes: number) => np.Array;
}

/** Options that `parseConfig` would fill in. */
const plain = { kind: "vq", dim, initialization: "random", restartBelow: null } as const;

/** Codes are replaced when they get less than this share of the hits that equal use would give them. */
const restartShare = 0.1;

/** The quantizers, by the names of the report. All else is the library's default. */
export const methods = {
  "VQ (STE)": { quantizer: (numCodes) => ({ ...plain, numCodes }) },
  "VQ (STE), SimVQ's start": {
    quantizer: (numCodes) => ({ ...plain, numCodes }),
    // What E W is at first: rows of length 1 on average, times a map that shrinks them by √3.
    start: (key, numCodes) => random.normal(key, [numCodes, dim]).mul((3 * dim) ** -0.5),
  },
  "VQ (EMA)": { quantizer: (numCodes) => ({ ...plain, numCodes, learning: "ema" }) },
  "VQ + restart": {
    quantizer: (numCodes, numVectors) => ({
      ...plain,
      numCodes,
      // Averages must forget their start within a run, also where a code is hit once in 64 batches.
      decay: 0.95,
      restartBelow: (restartShare * numVectors) / numCodes,
    }),
  },
  "rotation trick": { quantizer: (numCodes) => ({ ...plain, numCodes, gradient: "rotation" }) },
  "SimVQ (W only)": { quantizer: (numCodes) => ({ kind: "simvq", numCodes, dim }) },
  "SimVQ (both)": { quantizer: (numCodes) => ({ kind: "simvq", numCodes, dim, trainTable: true }) },
  "SimVQ, diagonal": { quantizer: (numCodes) => ({ kind: "simvq", numCodes, dim, transform: "diagonal" }) },
  FSQ: {
    quantizer: (numCodes) => ({ kind: "fsq", levels: [...fsqLevels[numCodes]!] as [number, ...number[]] }),
  },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof methods;

export const methodNames = Object.keys(methods) as MethodName[];
