import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { compile } from "../compile/index.ts";
import { ConfigError, ShapeError } from "../errors.ts";
import {
  finiteScalarQuantizer,
  lookupFreeQuantizer,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "../quantize/index.ts";
import {
  codesToImages,
  encodeImages,
  flopsPerImage,
  type ImageAutoencoderConfig,
  type ImageAutoencoderParams,
  type ImageEncoderOptions,
  imageAutoencoderLoss,
  imagesToCodes,
  initImageAutoencoder,
  reconstructImages,
  resolveImageAutoencoder,
} from "./index.ts";

const image = { height: 8, width: 12, channels: 3 };
const encoders: Record<string, ImageEncoderOptions> = {
  convolutional: { kind: "convolutional", channels: [8, 16], numBlocks: 1 },
  patch: { kind: "patch", patchSize: 4, numLayers: 2, modelDim: 16, numHeads: 2 },
};
const dim = 4;
const quantizers: Record<string, Quantizer> = {
  vq: vectorQuantizer({ numCodes: 32, dim }),
  "vq, ema, cosine, rotation": vectorQuantizer({
    numCodes: 32,
    dim,
    learning: "ema",
    distance: "cosine",
    gradient: "rotation",
  }),
  simvq: simVq({ numCodes: 32, dim }),
  residual: residualQuantizer([simVq({ numCodes: 8, dim }), simVq({ numCodes: 16, dim })]),
  product: productQuantizer([simVq({ numCodes: 8, dim: 2 }), vectorQuantizer({ numCodes: 16, dim: 2 })]),
  fsq: finiteScalarQuantizer({ levels: [5, 4, 3, 3] }),
  lfq: lookupFreeQuantizer({ dim }),
};
const configOf = (encoder: ImageEncoderOptions, options = {}) =>
  resolveImageAutoencoder({ image, encoder, dim, ...options });
const images = (seed = 1, count = 3) =>
  random.uniform(random.key(seed), [count, image.height, image.width, image.channels]);
const leavesOf = (params: ImageAutoencoderParams) => tree.flatten(params)[0] as unknown as np.Array[];

for (const [name, encoder] of Object.entries(encoders)) {
  const config = configOf(encoder);

  test(`${name}: gradients without a quantizer are finite differences`, () => {
    const { params: initial, state } = initImageAutoencoder(random.key(2), config, null);
    const direction = (seed: number) =>
      tree.map(
        (p: np.Array) => random.normal(random.key(seed), [...p.shape]).mul(0.1),
        initial as never,
      ) as ImageAutoencoderParams;
    const move = (from: ImageAutoencoderParams, seed: number, step: number) =>
      tree.map(
        (p: np.Array, d: np.Array) => p.ref.add(d.mul(step)),
        from as never,
        direction(seed) as never,
      ) as ImageAutoencoderParams;
    // Biases that are 0 leave ReLUs exactly at their corner where all inputs are 0.
    const params = move(initial, 1, 1);
    const loss = (p: ImageAutoencoderParams) =>
      imageAutoencoderLoss(p, tree.ref(state), images(), config, null).loss;
    const differentiate = valueAndGrad(loss) as (
      p: ImageAutoencoderParams,
    ) => [np.Array, ImageAutoencoderParams];
    const [value, gradients] = differentiate(tree.ref(params) as ImageAutoencoderParams);
    // Along a random direction, in float32. Every ReLU that changes sides within a move adds to the difference, so that moves are
    // short; rounding is about 1e-8/1e-3.
    for (const seed of [3, 4, 5]) {
      const along = leavesOf(direction(seed));
      const slope = leavesOf(gradients).reduce((sum, g, i) => sum + g.ref.mul(along[i]!.ref).sum().item(), 0);
      const moved = (step: number) => loss(move(params, seed, step)).item();
      const difference = (moved(1e-3) - moved(-1e-3)) / 2e-3;
      assert.ok(Math.abs(slope - difference) < 2e-2 * Math.abs(slope) + 5e-5, `${slope} and ${difference}`);
    }
    assert.ok(value.item() > 0);
  });

  for (const [kind, quantizer] of Object.entries(quantizers)) {
    test(`${name}, ${kind}: codes decode to the reconstruction, also compiled, and the loss adds up`, async () => {
      const { params, state } = initImageAutoencoder(random.key(6), config, quantizer);
      const both = () => [tree.ref(params), tree.ref(state)] as [typeof params, unknown];
      const out = reconstructImages(...both(), images(), config, quantizer);
      const codes = imagesToCodes(...both(), images(), config, quantizer);
      assert.deepEqual(codes.shape.slice(0, 3), [3, 2, 3]);
      assert.deepEqual(codes.ref.dataSync(), out.quantized!.indices.ref.dataSync());
      const decoded = codesToImages(...both(), codes, config, quantizer);
      assert.deepEqual(decoded.shape, images().shape);
      assert.deepEqual(decoded.dataSync(), out.images.ref.dataSync());

      const eager = imageAutoencoderLoss(...both(), images(), config, quantizer);
      const squares = np.mean(np.square(out.images.sub(images()))).item();
      assert.ok(Math.abs(eager.reconstruction.item() - squares) < 1e-6);
      const expected = squares + out.quantized!.loss.item();
      assert.ok(Math.abs(eager.loss.ref.item() - expected) < 1e-5 * Math.max(1, expected));

      const step = compile((p: ImageAutoencoderParams, s: unknown, x: np.Array) => {
        const run = (q: ImageAutoencoderParams) => {
          const { loss, reconstruction, quantized } = imageAutoencoderLoss(q, s, x, config, quantizer);
          return [loss, { reconstruction, indices: quantized!.indices }];
        };
        const [[loss, aux], gradients] = (
          valueAndGrad(run, { hasAux: true }) as (
            q: ImageAutoencoderParams,
          ) => [[np.Array, { reconstruction: np.Array; indices: np.Array }], ImageAutoencoderParams]
        )(p);
        return { loss, ...aux, gradients };
      });
      const compiled = await step(params, state, images());
      // Sums of some hundred numbers of size 1 in another order.
      const loss = eager.loss.item();
      assert.ok(Math.abs((await compiled.loss.data())[0]! - loss) < 1e-4 * Math.max(1, loss));
      const indices = await compiled.indices.data();
      assert.deepEqual([...indices], [...eager.quantized!.indices.dataSync()]);
      const largest = (part: unknown) =>
        Math.max(...(tree.flatten(part)[0] as np.Array[]).map((g) => np.max(np.abs(g)).item()));
      assert.ok(largest(compiled.gradients.decoder) > 0 && largest(compiled.gradients.encoder) > 0);
      await step.dispose();
    });
  }
}

test("the weight of the reconstruction multiplies its part alone", () => {
  const quantizer = quantizers.simvq!;
  const parts = [1, 7].map((reconstructionWeight) => {
    const config = configOf(encoders.convolutional!, { reconstructionWeight });
    const { params, state } = initImageAutoencoder(random.key(6), config, quantizer);
    const { loss, reconstruction } = imageAutoencoderLoss(params, state, images(), config, quantizer);
    return { loss: loss.item(), reconstruction: reconstruction.item() };
  });
  const expected = parts[0]!.loss + 6 * parts[0]!.reconstruction;
  assert.ok(Math.abs(parts[1]!.loss - expected) < 1e-5 * expected);
});

test("the patch encoder sees the whole image, and where a patch is; a convolution sees its surroundings", () => {
  const first = (config: ImageAutoencoderConfig, x: np.Array) => {
    const { params } = initImageAutoencoder(random.key(8), config, null);
    return [...encodeImages(params.encoder, x, config).slice(0, 0, 0).dataSync()];
  };
  const far = () => {
    const x = images(9, 1);
    const corner = np.pad(np.ones([1, 4, 4, 3]), [
      [0, 0],
      [4, 0],
      [8, 0],
      [0, 0],
    ]);
    return np.where(corner.greater(0), 0, x);
  };
  // The upper two patches of the right two thirds change places.
  const swapped = () => {
    const x = images(9, 1);
    const [left, middle, right] = np.split(x, [4, 8], 2) as [np.Array, np.Array, np.Array];
    return np.concatenate([left, right, middle], 2);
  };
  const changes = (config: ImageAutoencoderConfig, x: np.Array) =>
    Math.max(...first(config, images(9, 1)).map((value, i) => Math.abs(value - first(config, x.ref)[i]!)));
  const patch = configOf({ ...(encoders.patch as object), numLayers: 1 } as ImageEncoderOptions);
  const convolutional = configOf({ kind: "convolutional", channels: [4], numBlocks: 1 });
  assert.ok(changes(patch, far()) > 1e-4);
  assert.ok(changes(patch, swapped()) > 1e-4);
  assert.equal(changes(convolutional, far()), 0);
  const pairings = ["half", "interleaved", "half-per-axis"] as const;
  const results = pairings.map((ropePairing) =>
    first(configOf({ ...encoders.patch!, ropePairing } as ImageEncoderOptions), images(9, 1)).join(),
  );
  assert.equal(new Set(results).size, 3);
});

test("options that can't be used are refused", () => {
  const refuses = (options: object, message: RegExp) =>
    assert.throws(
      () => configOf(encoders.convolutional!, options),
      (error: Error) => error instanceof ConfigError && message.test(error.message),
    );
  refuses({ image: { height: 8, width: 10 } }, /^images of 8 × 10: expected sides divisible by 4/);
  refuses({ dim: 0 }, /^dim 0: /);
  refuses({ reconstructionWeight: 0 }, /^reconstructionWeight 0: /);
  refuses({ encoder: { kind: "convolutional", channels: [], numBlocks: 1 } }, /^channels: /);
  refuses({ encoder: { kind: "convolutional", channels: [4], numBlocks: -1 } }, /^numBlocks -1: /);
  refuses(
    { encoder: { kind: "patch", patchSize: 4, numLayers: 1, modelDim: 12, numHeads: 2 } },
    /^per-axis allocation: 6 components that turn: expected a multiple of 4 for 2 axes/,
  );
  const config = configOf(encoders.patch!);
  assert.throws(
    () => initImageAutoencoder(random.key(1), config, simVq({ numCodes: 4, dim: 3 })),
    /^ConfigError: quantizer of dim 3: expected the autoencoder's, 4/,
  );
  const { params } = initImageAutoencoder(random.key(1), config, null);
  assert.throws(() => encodeImages(params.encoder, np.zeros([1, 8, 8, 3]), config), ShapeError);
});

test("FLOPs are those of the products, forward and backward", () => {
  // 16 pixels of a 1 × 1 … stage: 4·1·5 to resize, no blocks; 5·4 to 4 components; 10 codes of 4 components for 4 vectors.
  const small = resolveImageAutoencoder({
    image: { height: 4, width: 4 },
    encoder: { kind: "convolutional", channels: [5], numBlocks: 0 },
    dim: 4,
  });
  assert.equal(flopsPerImage(small, 10), 2 * 6 * (4 * 4 * 5 + 4 * 5 * 4) + 2 * 10 * 4 * 4);
  const patch = configOf(encoders.patch!);
  const block = 12 * 16 ** 2;
  const perPlace = 6 * (16 * (48 + 4) + 2 * block) + 12 * 2 * 6 * 16;
  assert.equal(flopsPerImage(patch, 0), 2 * 6 * perPlace);
});
