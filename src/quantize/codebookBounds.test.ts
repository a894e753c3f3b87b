import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { numpy as np } from "@jax-js/jax";
import fc from "fast-check";
import { compile } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  nearestCode,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "./index.ts";
import { anyLevels, anyVectors } from "./testing/arbitraries.ts";
import { checkCodebook } from "./testing/checkCodebook.ts";

const dim = 3;
const vq = { numCodes: 5, dim };
/** Codes of every scale too. */
const scales = [1e-30, 1, 1e30];

const quantizers: Readonly<Record<string, fc.Arbitrary<Quantizer>>> = {
  fsq: fc
    .tuple(anyLevels, fc.option(fc.double({ min: 0, max: 0.999, noNaN: true })))
    .map(([levels, share]) => {
      // Between the limits that a level of 2 and the largest level set.
      const eps = share === null ? null : Math.max(share, 1e-6) / (Math.max(...levels) - 1);
      return finiteScalarQuantizer({ levels, ...(eps === null ? {} : { eps }) });
    }),
  lfq: fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1e-20, 0.3, 1, 1e20))
    .map(([bits, scale]) => lookupFreeQuantizer({ dim: bits, scale, entropyWeight: 0 })),
  vq: fc.constant(vectorQuantizer(vq)),
  "vq, moving averages": fc.constant(vectorQuantizer({ ...vq, learning: "ema" })),
  simvq: fc.constant(simVq(vq)),
  "residual vq": fc.constant(residualQuantizer([vectorQuantizer(vq), vectorQuantizer(vq)])),
  "residual fsq": fc.constant(
    residualQuantizer([finiteScalarQuantizer({ levels: [1024, 2, 3] }), lookupFreeQuantizer({ dim })]),
  ),
  product: fc.constant(
    productQuantizer([
      vectorQuantizer({ numCodes: 4, dim: 1 }),
      finiteScalarQuantizer({ levels: [3, 1000] }),
    ]),
  ),
};

describe("indices lie in the codebook, and what is decoded is what came out, for every finite input", () => {
  for (const [name, arbitrary] of Object.entries(quantizers)) {
    test(name, () => {
      fc.assert(fc.property(arbitrary, anyVectors(6), fc.constantFrom(...scales), checkCodebook), {
        seed: 11,
        numRuns: 20,
      });
    });
  }
});

test("what was found: levels from 1,001 on, wide eps, huge vectors", () => {
  const at = (values: number[]) => Float32Array.from(values);
  checkCodebook(finiteScalarQuantizer({ levels: [1024] }), at([10, -10, 1e30, -1e30]), 1);
  checkCodebook(finiteScalarQuantizer({ levels: [3, 3], eps: 0.49 }), at([10, -10]), 1);
  checkCodebook(vectorQuantizer(vq), at([3e38, -3e38, 3e38]), 1);
  checkCodebook(vectorQuantizer(vq), at([3e38, -3e38, 3e38]), 1e30);
});

test("an eps beyond its range is refused with the range", () => {
  for (const [levels, eps, expected] of [
    [[3, 3], 0.6, /eps 0\.6: expected a number ≥ 0 and below 1\/\(L − 1\) = 0\.5 for the level 3/],
    [[1024], 1e-3, /below 1\/\(L − 1\) = 0\.0009775.* for the level 1024/],
    [[2, 5], 0, /eps 0: expected a number > 0/],
    [[5], -1, /eps -1/],
    [[5], Number.NaN, /eps NaN/],
  ] as const) {
    assert.throws(
      () => finiteScalarQuantizer({ levels, eps }),
      (error) => error instanceof ConfigError && expected.test(error.message),
    );
  }
  assert.throws(() => finiteScalarQuantizer({ levels: [2 ** 24 + 1] }), ConfigError);
});

test("the nearest code is the nearest in float64, whatever the sizes of vectors and codes", () => {
  const numCodes = 6;
  const property = fc.property(
    anyVectors(dim),
    fc.constantFrom(1e-30, 1e-10, 1, 1e10, 1e30),
    (elements, scale) => {
      const codes = Float32Array.from({ length: numCodes * dim }, (_, i) => scale * Math.sin(2.1 * i + 1));
      const found = nearestCode(
        np.array(elements, { shape: [elements.length / dim, dim] }),
        np.array(codes, { shape: [numCodes, dim] }),
      ).dataSync();
      for (let row = 0; row < elements.length / dim; row++) {
        // Relative to the largest number, so that no square leaves float64's precision: ‖e‖² − 2 z·e over it.
        const scores = Array.from({ length: numCodes }, (_, k) => {
          let score = 0;
          for (let i = 0; i < dim; i++) {
            const [z, e] = [elements[row * dim + i]!, codes[k * dim + i]!];
            score += e * (e - 2 * z);
          }
          return score;
        });
        const size = Math.max(...elements.subarray(row * dim, (row + 1) * dim).map(Math.abs), scale) * scale;
        const error = scores[found[row]!]! - Math.min(...scores);
        assert.ok(error <= 2e-6 * size, `vector ${row}: ${error / size}`);
      }
    },
  );
  fc.assert(property, { seed: 5, numRuns: 60 });
});

test("compiled, quantizers find the same codes", async () => {
  const fsq = finiteScalarQuantizer({ levels: [1024, 3] });
  const codes = np.array([
    [1, 0],
    [0, 1],
    [-2, 1],
  ]);
  const elements = Float32Array.from([10, -10, 1e30, -1e30, 1e-40, 3e38, -0.5, 0.5]);
  const z = () => np.array(elements, { shape: [4, 2] });
  await using both = compile(
    (x: np.Array, table: np.Array) => [fsq.encode({}, {}, x.ref), nearestCode(x, table)],
    { threads: 1 },
  );
  const [ofFsq, ofCodes] = (await both(z(), codes.ref)) as [np.Array, np.Array];
  assert.deepEqual(ofFsq.js(), fsq.encode({}, {}, z()).js());
  assert.deepEqual(ofCodes.js(), nearestCode(z(), codes).js());
  const unknown = (await both(np.array([[Number.NaN, 1]]), np.ones([2, 2]))) as [np.Array, np.Array];
  for (const index of unknown.map((array) => array.item())) assert.ok(index >= 0 && index < 3072);
});
