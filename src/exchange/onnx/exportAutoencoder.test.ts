import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { random } from "@jax-js/jax";
import { InferenceSession, Tensor } from "onnxruntime-node";
import {
  flattenState,
  readSafetensors,
  type StoredTensor,
  saveCheckpoint,
  stateShapes,
} from "../../checkpoint/index.ts";
import { toEngine } from "../../compile/index.ts";
import { parseAutoencoderConfig, resolveAutoencoder } from "../../config/index.ts";
import { imagesFromBatch } from "../../data/index.ts";
import { ConfigError, OutputError } from "../../errors.ts";
import { initImageAutoencoder } from "../../nn/index.ts";
import {
  type QuantizerCombinationName,
  type QuantizerName,
  quantizerCombinations,
  quantizerMethods,
} from "../../quantize/index.ts";
import { RunStore } from "../../runs/index.ts";
import { autoencoderShapes, ImageCodec, loadImageModel } from "../../sample/index.ts";
import { exportOnnx } from "../index.ts";

const home = mkdtempSync(path.join(tmpdir(), "rotor-autoencoder-"));
after(() => rmSync(home, { recursive: true }));

const convolutional = { kind: "convolutional", channels: [6, 8], numBlocks: 1 };
const patch = { kind: "patch", patchSize: 4, numLayers: 1, modelDim: 16, numHeads: 2 };
const image = { height: 8, width: 12, channels: 1 };

/** A run of random parameters with a checkpoint. */
async function makeRun(name: string, encoder: object, quantizer: object): Promise<string> {
  const config = parseAutoencoderConfig({
    task: "autoencoder",
    name,
    model: { encoder },
    quantizer,
    optimizer: { kind: "sgd" },
    training: { steps: 1, batchSize: 1, threads: 1 },
  });
  const resolved = resolveAutoencoder(config, image);
  const { params, state } = initImageAutoencoder(random.key(5), resolved.model, resolved.built.quantizer);
  const made = flattenState(await toEngine({ params, variables: { quantizer: state } }));
  const tensors = new Map<string, StoredTensor>();
  for (const [own, { shape, dtype }] of stateShapes(config, autoencoderShapes(resolved))) {
    const size = shape.reduce((a, b) => a * b, 1);
    const zeros = dtype === "int32" ? new Int32Array(size) : new Float32Array(size);
    const data = (made.get(own)?.data ?? zeros) as Float32Array<ArrayBuffer>;
    tensors.set(own, { dtype: dtype as "float32", shape: [...shape], data: data.slice() });
  }
  using store = new RunStore(home);
  const run = store.createRun({ name, config, seed: 0, codeVersion: "test" });
  saveCheckpoint(run.directory, tensors, {
    step: 1,
    config,
    seed: 0,
    dataCursor: { step: 1, epochs: 0 },
    codeVersion: "test",
    tokenizer: null,
    image,
    validationLoss: null,
  });
  return run.id;
}

const alone: Readonly<Record<QuantizerName, readonly object[]>> = {
  vq: [
    { kind: "vq", numCodes: 20, dim: 5 },
    { kind: "vq", numCodes: 20, dim: 5, distance: "cosine" },
  ],
  simvq: [{ kind: "simvq", numCodes: 20, dim: 5 }],
  fsq: [{ kind: "fsq", levels: [5, 4, 2] }],
  lfq: [{ kind: "lfq", dim: 5 }],
};

const together: Readonly<Record<QuantizerCombinationName, object>> = {
  residual: {
    kind: "residual",
    layers: [
      { kind: "simvq", numCodes: 9, dim: 5 },
      { kind: "vq", numCodes: 12, dim: 5 },
    ],
  },
  product: {
    kind: "product",
    parts: [
      { kind: "lfq", dim: 3 },
      { kind: "fsq", levels: [3, 4] },
      { kind: "simvq", numCodes: 7, dim: 2 },
    ],
  },
};

const cases = [
  ...Object.keys(quantizerMethods).flatMap((kind) => alone[kind as QuantizerName]),
  ...Object.keys(quantizerCombinations).map((kind) => together[kind as QuantizerCombinationName]),
].map((quantizer) => [convolutional, quantizer] as const);
const simVq = alone.simvq[0]!;
const interleaved = { ...patch, ropePairing: "interleaved", mlp: "swiglu" };
const perAxis = { ...patch, ropePairing: "half-per-axis", mlp: "relu2" };

for (const [i, [encoder, quantizer]] of [
  ...cases,
  [patch, simVq] as const,
  [interleaved, simVq] as const,
  [perAxis, simVq] as const,
].entries())
  test(`an exported autoencoder encodes and decodes as Rotor does: ${JSON.stringify({ encoder, quantizer })}`, async () => {
    const id = await makeRun(`run-${i}`, encoder, quantizer);
    const out = path.join(home, `out-${i}`);
    await exportOnnx(id, out, { home });
    const files = "codebook.onnx codebook.safetensors decoder.onnx encoder.onnx rotor.json".split(" ");
    assert.deepEqual(readdirSync(out).sort(), files);
    using store = new RunStore(home, { readOnly: true });
    const loaded = await loadImageModel(store, store.getRun(id));
    const codec = new ImageCodec(loaded.model, { threads: 1 });
    const [encode, decode, look] = await Promise.all(
      ["encoder", "decoder", "codebook"].map((name) =>
        InferenceSession.create(path.join(out, `${name}.onnx`)),
      ),
    );
    const pixels = image.height * image.width;
    // What images hold, bytes; other values would be rounded on one way only.
    const bytes = Float32Array.from({ length: 3 * pixels }, (_, j) => ((j * 7919) % 256) / 255);
    const expected = await codec.encode(imagesFromBatch(bytes, { ...image, count: 3 } as never));
    const numCodes = expected.codes.length / 3;
    const { latent } = loaded.model.config;
    // One session takes any number of images.
    for (const [first, count] of [
      [0, 3],
      [2, 1],
    ] as const) {
      const part = bytes.slice(first * pixels, (first + count) * pixels);
      const feed = new Tensor("float32", part, [count, image.height, image.width, 1]);
      const { codes, latents } = await encode!.run({ images: feed });
      const own = expected.codes.slice(first * numCodes, (first + count) * numCodes);
      const perPlace = latent.height * latent.width * latent.dim;
      const vectors = expected.latents.slice(first * perPlace, (first + count) * perPlace);
      assertClose(latents!.data as Float32Array, vectors, "latents");
      assert.deepEqual([...(codes!.data as Int32Array)], [...own]);
      assert.deepEqual(codes!.dims.slice(0, 3), [count, latent.height, latent.width]);
      const { images } = await decode!.run({ codes: codes! });
      assertClose(images!.data as Float32Array, await codec.decodeValues(own), "images");
      // What the codebook's graph gives lies in its tables.
      const { vectors: found } = await look!.run({ codes: codes! });
      assert.deepEqual([...(found!.data as Float32Array)], vectorsIn(out, quantizer, own, latent.dim));
    }
    await codec.dispose();
    for (const session of [encode!, decode!, look!]) await session.release();
  });

/** Sums in other orders. */
function assertClose(found: Float32Array, expected: Float32Array, what: string): void {
  assert.equal(found.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(found[i]! - value) < 1e-4, `${what}[${i}]: ${found[i]} instead of ${value}`);
}

/** Vectors of codes by the tables of the file. */
function vectorsIn(folder: string, quantizer: object, codes: Int32Array, dim: number): number[] {
  const { tensors } = readSafetensors(path.join(folder, "codebook.safetensors"));
  const tables = [...tensors.values()];
  const { kind } = quantizer as { readonly kind: string };
  const result: number[] = [];
  for (let place = 0; place < codes.length; place += tables.length) {
    const rows = tables.map(({ data, shape }, i) => {
      const width = shape[1]!;
      return [...(data as Float32Array).slice(codes[place + i]! * width, (codes[place + i]! + 1) * width)];
    });
    const vector =
      kind === "product" ? rows.flat() : rows.reduce((a, b) => a.map((x, j) => Math.fround(x + b[j]!)));
    assert.equal(vector.length, dim);
    result.push(...vector);
  }
  return result;
}

test("an autoencoder without codes is refused, and a folder that holds something is left alone", async () => {
  const none = await makeRun("none", convolutional, { kind: "none", dim: 4 });
  await assert.rejects(
    exportOnnx(none, path.join(home, "none"), { home }),
    (error: Error) =>
      error instanceof ConfigError && /has no quantizer, and so no codes$/.test(error.message),
  );
  const id = await makeRun("full", convolutional, simVq);
  const full = mkdtempSync(path.join(home, "full-"));
  writeFileSync(path.join(full, "mine"), "");
  await assert.rejects(exportOnnx(id, full, { home }), OutputError);
  assert.deepEqual(readdirSync(full), ["mine"]);
  await exportOnnx(id, path.join(home, "free"), { home });
  const config = JSON.parse(readFileSync(path.join(home, "free", "rotor.json"), "utf8"));
  assert.equal(config.quantizer.kind, "simvq");
});
