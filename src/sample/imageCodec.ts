import { createHash } from "node:crypto";
import type { numpy as np } from "@jax-js/jax";
import { flattenState } from "../checkpoint/index.ts";
import { compile, EngineArray, type EngineLeaves, type EnginePlacement } from "../compile/index.ts";
import { type ImageSet, imageBatch, imagesFromBatch } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import {
  decodeLatents,
  encodeImages,
  type ImageAutoencoderConfig,
  type ImageAutoencoderParams,
  type ImageAutoencoderVariables,
} from "../nn/index.ts";
import type { Quantizer, QuantizerTree } from "../quantize/index.ts";

/** A trained autoencoder of images. */
export interface ImageModel {
  readonly config: ImageAutoencoderConfig;
  readonly quantizer: Quantizer;
  /** What the quantizer was made of, as plain data. */
  readonly quantizerOptions: unknown;
  readonly variables: EngineLeaves<ImageAutoencoderVariables>;
}

/** What is between images and their codes. */
export interface EncodedImages {
  /** `[images, grid rows, grid columns, D]`: the encoder's output. */
  readonly latents: Float32Array;
  /** `[images, grid rows, grid columns, codes of a vector]` */
  readonly codes: Int32Array;
}

/** Images that go through the encoder together; more take more memory and hardly less time. */
const defaultBatchSize = 64;

/** Turns images into codes and codes into images, natively, in batches of one size. */
export class ImageCodec {
  readonly model: ImageModel;
  readonly #batchSize: number;
  readonly #encode;
  readonly #decode;
  readonly #decodeBetween;

  constructor(
    model: ImageModel,
    { batchSize = defaultBatchSize, ...placement }: EnginePlacement & { readonly batchSize?: number } = {},
  ) {
    const { config, quantizer } = model;
    this.model = model;
    this.#batchSize = batchSize;
    this.#encode = compile(
      (
        params: Pick<ImageAutoencoderParams, "encoder" | "quantizer">,
        state: QuantizerTree,
        images: np.Array,
      ) => {
        const latents = encodeImages(params.encoder, images, config);
        return { latents: latents.ref, codes: quantizer.encode(params.quantizer, state, latents) };
      },
      { ...placement, name: "encode" },
    );
    this.#decode = compile(
      (
        params: Pick<ImageAutoencoderParams, "decoder" | "quantizer">,
        state: QuantizerTree,
        codes: np.Array,
      ) => decodeLatents(params.decoder, quantizer.decode(params.quantizer, state, codes), config),
      { ...placement, name: "decode" },
    );
    this.#decodeBetween = compile(
      (
        params: Pick<ImageAutoencoderParams, "decoder" | "quantizer">,
        state: QuantizerTree,
        ends: np.Array,
        shares: np.Array,
      ) => {
        const vectors = quantizer.decode(params.quantizer, state, ends);
        const share = shares.reshape([-1, 1, 1, 1]);
        const first = vectors.ref.slice([0, 1]);
        const way = vectors.slice([1, 2]).sub(first.ref);
        return decodeLatents(params.decoder, first.add(way.mul(share)), config);
      },
      { ...placement, name: "decodeBetween" },
    );
  }

  /** Rows and columns of vectors, and codes of one. */
  get codeShape(): [height: number, width: number, perVector: number] {
    const { latent } = this.model.config;
    return [latent.height, latent.width, this.model.quantizer.codebookSizes.length];
  }

  /** @throws ConfigError if the images have another size than the model's */
  async encode(images: ImageSet): Promise<EncodedImages> {
    const { image, latent } = this.model.config;
    const { params, state } = this.model.variables;
    if (
      images.height !== image.height ||
      images.width !== image.width ||
      images.channels !== image.channels
    ) {
      throw new ConfigError(
        `images of ${images.height}×${images.width}×${images.channels}: the model takes ${image.height}×${image.width}×${image.channels}`,
      );
    }
    const [height, width, perVector] = this.codeShape;
    const places = height * width;
    const latents = new Float32Array(images.count * places * latent.dim);
    const codes = new Int32Array(images.count * places * perVector);
    for (const { start, indices } of this.#batches(images.count)) {
      const batch = EngineArray.from(imageBatch(images, indices), [
        indices.length,
        image.height,
        image.width,
        image.channels,
      ]);
      const { encoder, quantizer } = params;
      const out = await this.#encode({ encoder, quantizer }, state, batch);
      fill(latents, await out.latents.data(), start * places * latent.dim);
      fill(codes, await out.codes.data(), start * places * perVector);
    }
    return { latents, codes };
  }

  /**
   * Images of codes; what training decodes, with values from 0 to 1 but not bounded.
   *
   * @param codes - `[images, grid rows, grid columns, codes of a vector]`
   * @returns `[images, height, width, channels]`
   * @throws DataError for a code out of range or a number of codes that is no whole number of images
   */
  async decodeValues(codes: Int32Array): Promise<Float32Array> {
    const { image } = this.model.config;
    const { params, state } = this.model.variables;
    const shape = this.codeShape;
    const perImage = shape[0] * shape[1] * shape[2];
    const count = this.#countOf(codes);
    const pixels = image.height * image.width * image.channels;
    const values = new Float32Array(count * pixels);
    const tail = shape[2] === 1 ? [] : [shape[2]];
    for (const { start, indices } of this.#batches(count)) {
      const own = new Int32Array(indices.length * perImage);
      indices.forEach((index, i) => {
        own.set(codes.subarray(index * perImage, (index + 1) * perImage), i * perImage);
      });
      const batch = EngineArray.from(own, [indices.length, shape[0], shape[1], ...tail]);
      const { decoder, quantizer } = params;
      const out = await this.#decode({ decoder, quantizer }, state, batch);
      fill(values, await out.data(), start * pixels);
    }
    return values;
  }

  /** Images that codes are of. @throws DataError as {@link decodeValues} */
  #countOf(codes: Int32Array): number {
    const { codebookSizes } = this.model.quantizer;
    const perImage = this.codeShape.reduce((a, b) => a * b);
    const count = codes.length / perImage;
    if (!Number.isInteger(count))
      throw new DataError(`codes: ${codes.length}, expected a multiple of the ${perImage} of an image`);
    codes.forEach((code, i) => {
      const size = codebookSizes[i % codebookSizes.length]!;
      if (!(code >= 0 && code < size))
        throw new DataError(`codes: ${code} at ${i}: expected an integer in [0, ${size})`);
    });
    return count;
  }

  /**
   * Images of vectors on the way from those of one image's codes to those of another's: `(1 − s)·first + s·last` for each share `s`.
   *
   * @param first - codes of one image, as for {@link decodeValues}
   * @throws DataError as {@link decodeValues}, or if one of both isn't one image
   */
  async decodeBetween(first: Int32Array, last: Int32Array, shares: readonly number[]): Promise<ImageSet> {
    for (const codes of [first, last])
      if (this.#countOf(codes) !== 1) throw new DataError(`codes: ${codes.length}, expected one image's`);
    const { params, state } = this.model.variables;
    const [height, width, perVector] = this.codeShape;
    const { decoder, quantizer } = params;
    const ends = EngineArray.from(Int32Array.from([...first, ...last]), [
      2,
      height,
      width,
      ...(perVector === 1 ? [] : [perVector]),
    ]);
    const places = EngineArray.from(Float32Array.from(shares), [shares.length]);
    const out = await this.#decodeBetween({ decoder, quantizer }, state, ends, places);
    return imagesFromBatch(await out.data(), this.model.config.image as ImageSet);
  }

  /** As {@link decodeValues}, rounded to bytes. */
  async decode(codes: Int32Array): Promise<ImageSet> {
    return imagesFromBatch(await this.decodeValues(codes), this.model.config.image as ImageSet);
  }

  /** Batches of one size, so that one program serves all: the last is filled up with its last image. */
  *#batches(count: number): Generator<{ start: number; indices: number[] }> {
    const size = Math.min(this.#batchSize, count);
    for (let start = 0; start < count; start += size) {
      yield { start, indices: Array.from({ length: size }, (_, i) => Math.min(start + i, count - 1)) };
    }
  }

  async dispose(): Promise<void> {
    await this.#encode.dispose();
    await this.#decode.dispose();
    await this.#decodeBetween.dispose();
  }
}

/** Copies as much of `source` as `target` has room for. */
function fill<T extends Float32Array | Int32Array>(target: T, source: ArrayLike<number>, at: number): void {
  const room = Math.min(source.length, target.length - at);
  for (let i = 0; i < room; i++) target[at + i] = source[i]!;
}

/**
 * SHA-256, in hexadecimal, of all that decoding needs: sizes, the quantizer and its options, and the decoder's parameters. Equal for
 * models that make the same images of the same codes.
 */
export function codebookIdentity({ config, quantizer, quantizerOptions, variables }: ImageModel): string {
  const hash = createHash("sha256");
  const { image, latent, encoder } = config;
  const { codebookSizes } = quantizer;
  hash.update(JSON.stringify({ image, latent, encoder, codebookSizes, quantizerOptions }));
  const { params, state } = variables as unknown as ImageAutoencoderVariables;
  const needed = { decoder: params.decoder, quantizer: params.quantizer, state };
  const leaves = [...flattenState(needed)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, { dtype, shape, data }] of leaves) {
    hash.update(`\0${name}\0${dtype}\0${shape.join()}\0`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest("hex");
}
