import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { random, tree } from "@jax-js/jax";
import { ConfigError } from "../errors.ts";
import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  productQuantizer,
  type Quantizer,
  type QuantizerCombinationName,
  type QuantizerName,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "../quantize/index.ts";
import { buildQuantizer } from "./buildQuantizer.ts";
import { parseConfig } from "./parseConfig.ts";
import type { QuantizerConfig } from "./quantizerSchema.ts";
import type { AutoencoderConfig } from "./schema.ts";

function parsed(quantizer: object): QuantizerConfig {
  const config = parseConfig({
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels: [4] } },
    quantizer,
    optimizer: { kind: "sgd" },
    training: { steps: 1, batchSize: 1 },
  });
  return (config as AutoencoderConfig).quantizer;
}

const build = (quantizer: object) => buildQuantizer(parsed(quantizer));

/** All numbers of a forward pass from one key. */
function outcome(quantizer: Quantizer): number[] {
  const { params, state } = quantizer.init(random.key(1));
  const z = random.normal(random.key(2), [7, quantizer.dim]);
  const out = quantizer.apply(params, state, z, random.key(3));
  return (tree.leaves(out as never) as unknown as { dataSync(): ArrayLike<number> }[]).flatMap((leaf) =>
    Array.from(leaf.dataSync()),
  );
}

const vq = { numCodes: 5, dim: 3, loss: { codebook: 2, commitment: 0.5 }, distance: "cosine" } as const;
const ema = { numCodes: 5, dim: 3, learning: "ema", decay: 0.5, eps: 0.1, budgetBytes: 2 ** 20 } as const;
const sim = {
  ...vq,
  tableDim: 2,
  bias: true,
  trainTable: true,
  gradient: "rotation",
  maxRatio: 1.5,
} as const;
const { distance: _, ...simOptions } = sim;
const fsq = { levels: [3, 4], eps: 0.1, gradient: "diveq", noiseStd: 0.3 } as const;
const lfq = {
  dim: 3,
  scale: 0.5,
  entropyWeight: 0.3,
  diversity: 2,
  inverseTemperature: 3,
  commitment: 0.7,
} as const;

/** A configuration of every kind and what the library's function makes of the same options: a new kind doesn't compile without. */
const kinds: Readonly<
  Record<QuantizerName | QuantizerCombinationName, readonly (readonly [object, Quantizer])[]>
> = {
  vq: [
    [vq, vectorQuantizer(vq)],
    [{ ...ema, restartBelow: 0.1, initialization: "k-means" }, vectorQuantizer(ema)],
  ],
  simvq: [[simOptions, simVq(simOptions)]],
  fsq: [[fsq, finiteScalarQuantizer(fsq)]],
  lfq: [[lfq, lookupFreeQuantizer(lfq)]],
  residual: [
    [
      {
        layers: [
          { kind: "vq", ...vq },
          { kind: "lfq", ...lfq },
        ],
        gradient: "diveq",
        noiseStd: 0.2,
      },
      residualQuantizer([vectorQuantizer(vq), lookupFreeQuantizer(lfq)], {
        gradient: "diveq",
        noiseStd: 0.2,
      }),
    ],
  ],
  product: [
    [
      {
        parts: [
          { kind: "simvq", ...simOptions },
          { kind: "fsq", ...fsq },
        ],
      },
      productQuantizer([simVq(simOptions), finiteScalarQuantizer(fsq)]),
    ],
  ],
};

describe("a configuration makes what the library's function makes of its options", () => {
  for (const [kind, cases] of Object.entries(kinds)) {
    cases.forEach(([options, expected], i) => {
      test(`${kind} ${i + 1}`, () => {
        const { quantizer, dim } = build({ kind, ...options });
        assert.equal(dim, expected.dim);
        assert.deepEqual(quantizer!.codebookSizes, expected.codebookSizes);
        assert.deepEqual(outcome(quantizer!), outcome(expected));
      });
    });
  }
});

test("what training needs to know: noise, searches, tables of codes, rotated ranges", () => {
  const alone = build({ kind: "vq", numCodes: 6, dim: 4, gradient: "rotation" });
  assert.deepEqual(alone.rotated, [{ part: null, start: 0, end: 4 }]);
  assert.deepEqual([alone.numSearched, alone.needsKey, alone.combination], [6, false, null]);
  const [codebook] = alone.codebooks;
  assert.deepEqual(
    [codebook!.part, codebook!.initialization, codebook!.restartBelow],
    [null, "random", null],
  );
  const product = build({
    kind: "product",
    parts: [
      { kind: "fsq", levels: [3], gradient: "diveq" },
      { kind: "vq", numCodes: 8, dim: 3, gradient: "rotation", restartBelow: 0.2, initialization: "k-means" },
    ],
  });
  assert.deepEqual(product.rotated, [{ part: 1, start: 1, end: 4 }]);
  assert.deepEqual([product.numSearched, product.needsKey, product.combination], [6, true, "product"]);
  assert.deepEqual(
    product.codebooks.map(({ part, initialization, restartBelow }) => [part, initialization, restartBelow]),
    [[1, "k-means", 0.2]],
  );
  const residual = build({
    kind: "residual",
    layers: [
      { kind: "simvq", numCodes: 4, dim: 2 },
      { kind: "lfq", dim: 2 },
    ],
    gradient: "rotation",
  });
  assert.deepEqual(residual.rotated, [{ part: null, start: 0, end: 2 }]);
  assert.deepEqual([residual.numSearched, residual.combination, residual.codebooks], [4, "residual", []]);
  assert.deepEqual(build({ kind: "none", dim: 3 }).quantizer, null);
});

test("options that don't go together are named by their paths", () => {
  const part = { kind: "vq", numCodes: 4, dim: 2 };
  for (const [quantizer, message] of [
    [{ ...part, eps: 0.1 }, 'config: quantizer.eps 0.1: expected with learning "ema" only'],
    [
      { kind: "residual", layers: [part, { ...part, dim: 3 }] },
      "config: quantizer: residualQuantizer: layers of dim 2 and 3: expected one dim",
    ],
    [
      { kind: "product", parts: [part, { ...part, learning: "ema", loss: { codebook: 1, commitment: 1 } }] },
      'config: quantizer.parts.1.loss.codebook 1: expected 0 with learning "ema", which needs no loss',
    ],
  ] as const)
    assert.throws(() => build(quantizer), new ConfigError(message));
});
