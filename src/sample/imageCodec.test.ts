import assert from "node:assert/strict";
import { test } from "node:test";
import { numpy as np, random, tree } from "@jax-js/jax";
import { compile, EngineArray, toEngine } from "../compile/index.ts";
import { type ImageSet, imageBatch, imagesFromBatch } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import {
  decodeLatents,
  encodeImages,
  type ImageAutoencoderVariables,
  initImageAutoencoder,
  reconstructImages,
  resolveImageAutoencoder,
} from "../nn/index.ts";
import {
  finiteScalarQuantizer,
  productQuantizer,
  type Quantizer,
  residualQuantizer,
  simVq,
  vectorQuantizer,
} from "../quantize/index.ts";
import { codebookIdentity, ImageCodec, type ImageModel } from "./imageCodec.ts";

const dim = 4;
const config = resolveImageAutoencoder({
  image: { height: 8, width: 12, channels: 3 },
  encoder: { kind: "convolutional", channels: [8, 8], numBlocks: 1 },
  dim,
});
const quantizers: Record<string, Quantizer> = {
  vq: vectorQuantizer({ numCodes: 32, dim }),
  simvq: simVq({ numCodes: 32, dim, bias: true }),
  "simvq, diagonal": simVq({ numCodes: 32, dim, transform: "diagonal" }),
  residual: residualQuantizer([simVq({ numCodes: 8, dim }), simVq({ numCodes: 16, dim })]),
  product: productQuantizer([simVq({ numCodes: 8, dim: 2 }), vectorQuantizer({ numCodes: 16, dim: 2 })]),
  fsq: finiteScalarQuantizer({ levels: [5, 4, 3, 3] }),
};

function noise(count: number): ImageSet {
  const pixels = new Uint8Array(count * 8 * 12 * 3);
  let state = 5;
  for (let i = 0; i < pixels.length; i++) {
    state = (state * 48271) % 2147483647;
    pixels[i] = state;
  }
  return { count, height: 8, width: 12, channels: 3, pixels };
}

async function modelOf(quantizer: Quantizer, seed = 3): Promise<ImageModel> {
  const variables = await toEngine(initImageAutoencoder(random.key(seed), config, quantizer));
  return { config, quantizer, quantizerOptions: {}, variables: variables };
}

for (const [name, quantizer] of Object.entries(quantizers)) {
  test(`${name}: codes decode to what the forward puts out, bit for bit`, async () => {
    const model = await modelOf(quantizer);
    const images = noise(5);
    const { params, state } = model.variables;
    await using forward = compile((v: ImageAutoencoderVariables, x: np.Array) => {
      const { images: out, quantized } = reconstructImages(v.params, v.state, x, config, quantizer);
      return { out, indices: quantized!.indices };
    });
    // Batches of 2: the last one is half full.
    const codec = new ImageCodec(model, { threads: 1, batchSize: 2 });
    const { codes, latents } = await codec.encode(images);
    const values = await codec.decodeValues(codes);
    const perImage = { codes: codes.length / 5, values: values.length / 5, latents: latents.length / 5 };
    for (let i = 0; i < 5; i++) {
      // The same batch size, so that kernels add up in the same order.
      const pair = i < 4 ? [i - (i % 2), i - (i % 2) + 1] : [4, 4];
      const batch = EngineArray.from(imageBatch(images, pair), [2, 8, 12, 3]);
      const { out, indices } = await forward({ params, state }, batch);
      const own = (all: ArrayLike<number>, size: number, at: number) =>
        Array.from({ length: size }, (_, j) => all[at * size + j]!);
      assert.deepEqual(own(codes, perImage.codes, i), own(await indices.data(), perImage.codes, i % 2));
      assert.deepEqual(own(values, perImage.values, i), own(await out.data(), perImage.values, i % 2));
    }
    const decoded = await codec.decode(codes);
    assert.deepEqual(decoded, imagesFromBatch(values, images));
    await codec.dispose();
  });
}

test("latents are the encoder's", async () => {
  const model = await modelOf(quantizers.simvq!);
  const codec = new ImageCodec(model, { threads: 1 });
  const { latents } = await codec.encode(noise(2));
  const variables = initImageAutoencoder(random.key(3), config, quantizers.simvq!);
  const eager = encodeImages(
    variables.params.encoder,
    np.array(imageBatch(noise(2), [0, 1]), { shape: [2, 8, 12, 3] }),
    config,
  ).dataSync();
  tree.dispose([variables.params.decoder, variables.params.quantizer, variables.state]);
  // Sums of some hundred products of size 1, in another order.
  latents.forEach((value, i) => {
    assert.ok(Math.abs(value - eager[i]!) < 1e-4, `${value} ${eager[i]}`);
  });
  await codec.dispose();
});

test("the identity is that of the decoder and the codes, not of the encoder", async () => {
  const first = await modelOf(quantizers.simvq!);
  const identity = codebookIdentity(first);
  assert.match(identity, /^[0-9a-f]{64}$/);
  assert.equal(codebookIdentity(await modelOf(quantizers.simvq!)), identity);
  const second = await modelOf(quantizers.simvq!, 4);
  const swapped = (parts: object, state = first.variables.state): ImageModel => ({
    ...first,
    variables: { params: { ...(first.variables.params as object), ...parts }, state } as never,
  });
  const other = second.variables.params as Record<string, object>;
  assert.equal(codebookIdentity(swapped({ encoder: other.encoder })), identity);
  const changed = [
    swapped({ decoder: other.decoder }),
    swapped({ quantizer: other.quantizer }),
    swapped({}, second.variables.state),
    { ...first, quantizerOptions: { kind: "other" } },
    { ...first, config: { ...config, image: { ...config.image, width: 24 } } },
  ].map(codebookIdentity);
  assert.equal(new Set([identity, ...changed]).size, changed.length + 1);
});

test("images of other sizes and codes out of range are refused", async () => {
  const codec = new ImageCodec(await modelOf(quantizers.residual!), { threads: 1 });
  assert.deepEqual(codec.codeShape, [2, 3, 2]);
  await assert.rejects(codec.encode({ ...noise(1), width: 6, count: 2 }), (error: Error) => {
    return error instanceof ConfigError && /images of 8×6×3: the model takes 8×12×3/.test(error.message);
  });
  await assert.rejects(codec.decode(new Int32Array(13)), /codes: 13, expected a multiple of the 12/);
  for (const [code, at, size] of [
    [8, 0, 8],
    [16, 1, 16],
    [-1, 2, 8],
  ] as const) {
    await assert.rejects(codec.decode(new Int32Array(12).fill(0).with(at, code)), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.equal(error.message, `codes: ${code} at ${at}: expected an integer in [0, ${size})`);
      return true;
    });
  }
  assert.equal((await codec.decode(new Int32Array(0))).count, 0);
  await codec.dispose();
});

for (const name of ["simvq", "residual"] as const)
  test(`${name}: from one code to another, ends as they decode and the middle as the mean of the vectors does`, async () => {
    const quantizer = quantizers[name]!;
    const model = await modelOf(quantizer);
    const codec = new ImageCodec(model, { threads: 1 });
    const [height, width, perVector] = codec.codeShape;
    const everywhere = (code: number) => new Int32Array(height * width * perVector).fill(code);
    const [first, last] = [everywhere(2), everywhere(5)];
    const between = await codec.decodeBetween(first, last, [0, 0.5, 1]);
    const { params, state } = model.variables;
    await using mean = compile((v: ImageAutoencoderVariables, a: np.Array, b: np.Array) => {
      const { decoder, quantizer: own } = v.params;
      const sum = quantizer
        .decode(tree.ref(own), tree.ref(v.state), a)
        .add(quantizer.decode(own, v.state, b));
      return decodeLatents(decoder, sum.mul(0.5), config);
    });
    const shape = [1, height, width, ...(perVector === 1 ? [] : [perVector])];
    const middle = await mean(
      { params, state },
      EngineArray.from(first, shape),
      EngineArray.from(last, shape),
    );
    const expected = [
      (await codec.decode(first)).pixels,
      imagesFromBatch(await middle.data(), config.image as ImageSet).pixels,
      (await codec.decode(last)).pixels,
    ];
    const size = 8 * 12 * 3;
    expected.forEach((pixels, i) => {
      const own = between.pixels.subarray(i * size, (i + 1) * size);
      // Sums in another order may round to the neighbour.
      assert.ok(pixels.every((value, at) => Math.abs(value - own[at]!) <= 1));
    });
    assert.ok(expected[0]!.some((value, at) => value !== expected[2]![at]));
    await assert.rejects(codec.decodeBetween(first, Int32Array.of(1), [0]), DataError);
    await assert.rejects(codec.decodeBetween(first, everywhere(99), [0]), DataError);
    await codec.dispose();
  });
