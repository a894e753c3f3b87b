import type { numpy as np } from "@jax-js/jax";
import {
  compile,
  EngineArray,
  type EnginePlacement,
  type EngineTree,
  placementOf,
} from "../compile/index.ts";
import type { AutoencoderConfig, BuiltQuantizer, Codebook } from "../config/index.ts";
import { type ImageSampler, mix } from "../data/index.ts";
import { DataError } from "../errors.ts";
import { encodeImages, type ImageAutoencoderConfig, type ImageAutoencoderParams } from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import {
  drawCentres,
  moveCentres,
  normalize,
  type QuantizerTree,
  searchRanges,
  sumsByNearest,
} from "../quantize/index.ts";

/** First codes come from so many vectors per code; of no more images than that, if those have enough vectors. */
const vectorsPerCode = 16;
const mostImages = 2048;
const rounds = 10;

/** Vectors `[count, dim]` in plain memory. */
interface Vectors {
  readonly data: Float32Array<ArrayBuffer>;
  readonly dim: number;
}

/** A part's own variables, of a quantizer with several or of itself. */
export function ofPart(variables: QuantizerTree, part: number | null): QuantizerTree {
  return part === null ? variables : variables.layers[part];
}

/** The variables with those of a part in the place of what was there. */
export function withPart(variables: QuantizerTree, part: number | null, own: QuantizerTree): QuantizerTree {
  return part === null ? own : { ...variables, layers: variables.layers.with(part, own) };
}

/**
 * Variables of a quantizer in which the codebooks that ask for it have codes by k-means, of what the first encoder makes of the first
 * batches; those of residual layers by what the layers before leave over. Memory grows with vectors and codes, not with their product.
 *
 * @param start - of the quantizer, as drawn
 * @throws DataError if there are fewer vectors than codes
 */
export async function firstCodes(
  model: ImageAutoencoderConfig,
  built: BuiltQuantizer,
  sampler: ImageSampler,
  training: Pick<AutoencoderConfig["training"], "batchSize" | "accumulate" | "threads" | "device">,
  encoder: EngineTree<Tree>,
  start: { readonly params: QuantizerTree; readonly state: QuantizerTree },
  seed: number,
): Promise<{ readonly params: QuantizerTree; readonly state: QuantizerTree }> {
  const wanted = built.codebooks.filter(({ initialization }) => initialization === "k-means");
  if (wanted.length === 0) return start;
  const perImage = model.latent.height * model.latent.width;
  const numVectors = sampler.count * perImage;
  const numCodes = Math.max(...wanted.map(({ quantizer }) => quantizer.codebookSizes[0]!));
  if (numVectors < numCodes) {
    throw new DataError(
      `quantizer.initialization k-means: ${numCodes} codes from ${numVectors} vectors: expected at least as many vectors as codes`,
    );
  }
  const { batchSize, accumulate } = training;
  const enough = Math.min(mostImages, (numCodes * vectorsPerCode) / perImage);
  const numSteps = Math.ceil(Math.max(enough, numCodes / perImage) / (batchSize * accumulate));
  const options = placementOf(training);
  let left = await encoded(model, sampler, batchSize, numSteps * accumulate, encoder, options);
  let { params, state } = start;
  const last = Math.max(...wanted.map(({ part }) => part ?? 0));
  let column = 0;
  for (const [i, quantizer] of built.parts.slice(0, last + 1).entries()) {
    const { dim } = quantizer;
    const own = built.combination === "product" ? columns(left, column, dim) : left;
    column += dim;
    const codebook = wanted.find(({ part }) => (part ?? 0) === i);
    const part = built.combination === null ? null : i;
    if (codebook !== undefined) {
      const found = await byKMeans(own, codebook, numSteps, mix(seed, i), options);
      params = withPart(params, part, found.params);
      state = withPart(state, part, found.state);
    }
    if (built.combination !== "residual" || i === last) continue;
    await using remain = compile(
      (p: QuantizerTree, s: QuantizerTree, z: np.Array, p2: QuantizerTree, s2: QuantizerTree) =>
        z.ref.sub(quantizer.decode(p, s, quantizer.encode(p2, s2, z))),
      { ...options, outputs: "engine", name: "residuals" },
    );
    const data = new Float32Array(left.data.length);
    const variables = [ofPart(params, part), ofPart(state, part)];
    for (const { z, at } of pieces(left, quantizer.codebookSizes[0]!)) {
      const out = await remain(...([...variables, z, ...variables] as [never, never, never, never, never]));
      data.set(out.data as Float32Array, at);
    }
    left = { data, dim };
  }
  return { params, state };
}

/** What the encoder makes of the first batches. */
async function encoded(
  model: ImageAutoencoderConfig,
  sampler: ImageSampler,
  batchSize: number,
  numBatches: number,
  encoder: EngineTree<Tree>,
  options: EnginePlacement,
): Promise<Vectors> {
  const { height, width, channels } = model.image;
  const { dim } = model.latent;
  await using encode = compile(
    (own: ImageAutoencoderParams["encoder"], images: np.Array) => encodeImages(own, images, model),
    { ...options, outputs: "engine", name: "first-vectors" },
  );
  const size = batchSize * model.latent.height * model.latent.width * dim;
  const data = new Float32Array(numBatches * size);
  for (let i = 0; i < numBatches; i++) {
    const images = EngineArray.from(sampler.batch(i), [batchSize, height, width, channels]);
    const out = await encode(encoder, images);
    data.set(out.data as Float32Array, i * size);
  }
  return { data, dim };
}

/** Components from `first` on of every vector. */
function columns({ data, dim }: Vectors, first: number, count: number): Vectors {
  const own = new Float32Array((data.length / dim) * count);
  for (let i = 0; i < own.length; i++) own[i] = data[Math.floor(i / count) * dim + first + (i % count)]!;
  return { data: own, dim: count };
}

/** Vectors in pieces for programs that search; `at` is where a piece begins in the data. */
function* pieces({ data, dim }: Vectors, numCodes: number): Generator<{ z: EngineArray; at: number }> {
  for (const [start, end] of searchRanges(data.length / dim, numCodes)) {
    const piece = data.slice(start * dim, end * dim);
    yield { z: EngineArray.from(piece, [end - start, dim]), at: start * dim };
  }
}

/** Lloyd's rounds in the engine; the same as `kMeans`, piece by piece. */
async function byKMeans(
  vectors: Vectors,
  { quantizer, search }: Codebook,
  numSteps: number,
  seed: number,
  options: EnginePlacement,
) {
  const numCodes = quantizer.codebookSizes[0]!;
  const { dim, data } = vectors;
  const oriented = (z: np.Array) => (search.distance === "cosine" ? normalize(z) : z);
  const engine = { ...options, outputs: "engine" } as const;
  await using draw = compile((z: np.Array, key: np.Array) => drawCentres(oriented(z), numCodes, key), {
    ...engine,
    name: "first-centres",
  });
  await using add = compile(
    (z: np.Array, codes: np.Array, sums: np.Array, counts: np.Array) => {
      const own = sumsByNearest(oriented(z), codes, search);
      return { sums: sums.add(own.sums), counts: counts.add(own.counts) };
    },
    { ...engine, name: "k-means" },
  );
  await using move = compile(
    (codes: np.Array, sums: np.Array, counts: np.Array) => moveCentres(codes, sums, counts, search),
    { ...engine, name: "centres" },
  );
  // The moving averages are of hits per step.
  await using begin = compile(
    (codes: np.Array, counts: np.Array) => ({ ...quantizer.initFrom(codes, counts.div(numSteps)) }),
    { ...engine, name: "first-codes" },
  );
  const key = EngineArray.from(Uint32Array.of(mix(seed, 1), mix(seed, 2)), [2]);
  let codes = await draw(EngineArray.from(data, [data.length / dim, dim]), key);
  let counts = EngineArray.from(new Float32Array(numCodes), [numCodes]);
  for (let round = 0; round < rounds; round++) {
    let found = {
      sums: EngineArray.from(new Float32Array(numCodes * dim), [numCodes, dim]),
      counts: EngineArray.from(new Float32Array(numCodes), [numCodes]),
    };
    for (const { z } of pieces(vectors, numCodes)) {
      found = await add(z, codes, found.sums, found.counts);
    }
    counts = found.counts;
    codes = await move(codes, found.sums, found.counts);
  }
  return (await begin(codes, counts)) as { params: QuantizerTree; state: QuantizerTree };
}
