import { numpy as np, random, tree } from "@jax-js/jax";
import { compile, EngineArray, type EngineLeaves, placementOf, toEngine } from "../compile/index.ts";
import { type AutoencoderConfig, type AutoencoderModel, resolveAutoencoder } from "../config/index.ts";
import {
  type ImageDataset,
  ImageSampler,
  type ImageSet,
  imageAt,
  imageBatch,
  imagesFromBatch,
  mix,
  openImages,
  reconstructionGrid,
} from "../data/index.ts";
import { CheckpointError, DataError } from "../errors.ts";
import {
  decodeLatents,
  encodeImages,
  flopsPerImage,
  type ImageAutoencoderParams,
  imageAutoencoderLoss,
  initImageAutoencoder,
} from "../nn/index.ts";
import { mapArrays, type Tree } from "../optim/index.ts";
import { CodeUsage, type Quantized, type QuantizerTree, rotationWarning, ssim } from "../quantize/index.ts";
import { type CodeAges, initCodeAges, observeCodes } from "./codeHealth.ts";
import { firstCodes, ofPart, withPart } from "./firstCodes.ts";
import type { StepTask, Task, TaskEvaluation } from "./task.ts";

/** What a run carries along besides parameters and optimizer. */
export interface AutoencoderVariables {
  /** The quantizer's state: moving averages, a frozen table. */
  readonly quantizer: QuantizerTree;
  /** Empty without a quantizer. */
  readonly ages: CodeAges;
}

/** Opens the images that a configuration asks for. */
export function openConfiguredImages({ data }: AutoencoderConfig): Promise<ImageDataset> {
  return openImages(data);
}

interface Batch {
  /** `float32[B, H, W, C]` */
  readonly images: np.Array;
  /** For noise and restarts; only where they are. */
  readonly key?: np.Array;
}

interface Aux {
  readonly reconstruction: np.Array;
  readonly quantized: Omit<Quantized, "quantized" | "loss">;
}

/** Reconstruction and quantization of batches of images; see {@link imageAutoencoderLoss}. */
export function autoencoderSteps(
  { model, built }: AutoencoderModel,
  sampler: ImageSampler,
  training: Pick<
    AutoencoderConfig["training"],
    "batchSize" | "accumulate" | "usageWindow" | "seed" | "threads" | "device"
  >,
): StepTask {
  const { usageWindow, seed } = training;
  const { quantizer, codebooks } = built;
  const { height, width, channels } = model.image;
  const restarts = codebooks.filter(({ restartBelow }) => restartBelow !== null);
  const imagesOf = (values: Float32Array<ArrayBuffer>) =>
    EngineArray.from(values, [values.length / (height * width * channels), height, width, channels]);

  return {
    async init(runSeed) {
      const { params, state } = initImageAutoencoder(random.key(runSeed), model, quantizer);
      const ages = initCodeAges(quantizer?.codebookSizes ?? []);
      const start = (await toEngine({ params, variables: { quantizer: state, ages } })) as Tree;
      const drawn = { params: start.params.quantizer, state: start.variables.quantizer };
      const { encoder } = start.params;
      const codes = await firstCodes(model, built, sampler, training, encoder, drawn, runSeed);
      return {
        params: { ...start.params, quantizer: codes.params },
        variables: { ...start.variables, quantizer: codes.state },
      } as Tree;
    },
    batch(index) {
      const images = imagesOf(sampler.batch(index));
      if (restarts.length === 0 && !built.needsKey) return { images };
      const key = EngineArray.from(Uint32Array.of(mix(seed, index, 1), mix(seed, index, 2)), [2]);
      return { images, key };
    },
    loss(params, variables, batch) {
      const { images, key } = batch as Batch;
      const { quantizer: state, ages } = variables as AutoencoderVariables;
      tree.dispose(ages);
      const { loss, reconstruction, quantized } = imageAutoencoderLoss(
        params as ImageAutoencoderParams,
        state,
        images,
        model,
        quantizer,
        key,
      );
      return { loss, aux: quantized === null ? { reconstruction } : { reconstruction, quantized } };
    },
    joinAux(parts) {
      const own = parts as readonly Aux[];
      const mean = (each: (aux: Aux) => np.Array) =>
        own
          .map(each)
          .reduce((a, b) => a.add(b))
          .div(own.length);
      const reconstruction = mean((aux) => aux.reconstruction);
      if (quantizer === null) return { reconstruction };
      const joined = mapArrays(
        (...arrays) => np.concatenate(arrays, 0),
        ...(own.map(({ quantized: { indices, batch } }) => ({ indices, batch })) as [Tree, ...Tree[]]),
      );
      return { reconstruction, quantized: { ...joined, error: mean((aux) => aux.quantized.error) } };
    },
    advance(params, variables, aux, batch) {
      const { reconstruction, quantized } = aux as Partial<Aux> & Pick<Aux, "reconstruction">;
      const { quantizer: state, ages } = variables as AutoencoderVariables;
      const { images, key } = batch as Batch;
      images.dispose();
      if (quantizer === null || quantized === undefined) {
        key?.dispose();
        return { params, variables: { quantizer: state, ages }, metrics: { reconstruction } };
      }
      const { indices, error, batch: seen } = quantized;
      const observed = observeCodes(ages, indices, usageWindow);
      const metrics: Record<string, np.Array> = {
        reconstruction,
        quantizationError: error,
        ...observed.health,
      };
      const vectors = restarts.map(({ part }) => (ofPart(seen, part).z as np.Array).ref);
      let own = params.quantizer as QuantizerTree;
      let next = quantizer.update(state, seen);
      if (restarts.length === 0) key?.dispose();
      else {
        // Other draws than those of the loss.
        const keys = [...random.split(key!, 1 + restarts.length)] as np.Array[];
        keys.shift()!.dispose();
        const numbers = restarts.map(({ part, quantizer: codebook, restartBelow }, i) => {
          const before = [ofPart(own, part), ofPart(next, part)] as const;
          const after = codebook.restart(...before, vectors[i]!, keys[i]!, { threshold: restartBelow! });
          own = withPart(own, part, after.params);
          next = withPart(next, part, after.state);
          return after.restarted;
        });
        metrics.restarted = numbers.reduce((a, b) => a.add(b)).astype(np.float32);
      }
      return {
        params: { ...params, quantizer: own },
        variables: { quantizer: next, ages: observed.ages },
        metrics,
      };
    },
  };
}

/** SSIM takes far longer than the rest, so that it is measured on so many images alone. */
const imagesForSsim = 64;

/** Images that are drawn beside their reconstructions. */
const imagesOfPicture = 16;

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** The first of `total` places in an order of which every beginning is spread over all: steps of about a golden section, each place once. */
export function spreadPlaces(total: number, count: number): number[] {
  let step = Math.max(1, Math.round(total * ((Math.sqrt(5) - 1) / 2)));
  while (greatestDivisor(total, step) !== 1) step++;
  return Array.from({ length: Math.min(count, total) }, (_, i) => (i * step) % total);
}

/**
 * An autoencoder of images and its data.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export async function autoencoderTask(config: AutoencoderConfig): Promise<Task> {
  return autoencoderTaskOn(config, await openConfiguredImages(config));
}

/**
 * An autoencoder on images that are open already.
 *
 * @param resolved - default the configuration's
 * @throws ConfigError, DataError
 */
export function autoencoderTaskOn(
  config: AutoencoderConfig,
  data: ImageDataset,
  resolved: AutoencoderModel = resolveAutoencoder(config, data.train),
): Task {
  const { height, width, channels } = data.train;
  const image = { height, width, channels };
  const { model, built } = resolved;
  const { quantizer } = built;
  const { batchSize, seed, evalImages = data.validation.count } = config.training;
  const placement = placementOf(config.training);
  const sampler = new ImageSampler({ images: data.train, batchSize, seed });
  const numEvaluated = Math.min(evalImages, data.validation.count);
  if (numEvaluated < 1) throw new DataError("images: there are none for validation");
  const numBatches = Math.floor(numEvaluated / Math.min(batchSize, numEvaluated));
  const evalSize = Math.min(batchSize, numEvaluated);
  // Through codes, as images are stored: without noise.
  const evaluated = compile(
    (params: ImageAutoencoderParams, state: QuantizerTree, images: np.Array) => {
      const latents = encodeImages(params.encoder, images, model);
      if (quantizer === null) {
        tree.dispose([params.quantizer, state]);
        return { images: decodeLatents(params.decoder, latents, model) };
      }
      const both = () => [tree.ref(params.quantizer), tree.ref(state)] as const;
      const indices = quantizer.encode(...both(), latents.ref);
      const codes = quantizer.decode(...both(), indices.ref);
      tree.dispose([params.quantizer, state]);
      const error = np.mean(np.square(latents.sub(codes.ref)));
      return { images: decodeLatents(params.decoder, codes, model), indices, error };
    },
    { ...placement, outputs: "engine", name: "evaluate" },
  );
  const { params } = initImageAutoencoder(random.key(0), model, quantizer);
  const total = (tree.leaves(params as Tree) as np.Array[]).reduce((sum, { size }) => sum + size, 0);
  tree.dispose(params);

  /** Of `evalSize` of the images that are evaluated. */
  async function reconstructBatch(
    current: EngineLeaves<Tree>,
    variables: EngineLeaves<Tree> | undefined,
    chosen: readonly number[],
  ) {
    // Spread over the data, so that few images stand for all of it.
    const places = Int32Array.from(chosen, (index) =>
      Math.floor((index * data.validation.count) / numEvaluated),
    );
    const originals = imageBatch(data.validation, places);
    const out = (await evaluated(
      current,
      (variables as { quantizer: never }).quantizer,
      EngineArray.from(originals, [evalSize, height, width, channels]),
    )) as Record<"images" | "indices" | "error", EngineArray | undefined>;
    return { originals, made: out.images!.data as Float32Array, out };
  }

  async function evaluate(
    current: EngineLeaves<Tree>,
    variables: EngineLeaves<Tree> | undefined,
  ): Promise<TaskEvaluation> {
    const usage = quantizer?.codebookSizes.map((size) => new CodeUsage(size)) ?? [];
    const pixels = height * width * channels;
    const compared = new Set(
      Math.min(height, width) > 10 ? spreadPlaces(numBatches * evalSize, imagesForSsim) : [],
    );
    let [squares, quantizationError, similarity] = [0, 0, 0];
    for (let batch = 0; batch < numBatches; batch++) {
      const chosen = Array.from({ length: evalSize }, (_, i) => batch * evalSize + i);
      const { originals, made, out } = await reconstructBatch(current, variables, chosen);
      for (let i = 0; i < made.length; i++) squares += (made[i]! - originals[i]!) ** 2;
      if (out.error !== undefined) quantizationError += out.error.data[0]! / numBatches;
      const indices = out.indices?.data;
      for (const [i, each] of usage.entries())
        each.add((indices as Int32Array).filter((_, at) => at % usage.length === i));
      for (const [i, index] of chosen.entries()) {
        if (!compared.has(index)) continue;
        const part = (values: Float32Array) => values.subarray(i * pixels, (i + 1) * pixels);
        similarity += ssim(part(originals), part(made), { height, width, channels });
      }
    }
    const loss = squares / (numBatches * evalSize * pixels);
    const summaries = usage.map((each) => each.summary());
    const mean = (name: "usage" | "perplexity") =>
      summaries.reduce((sum, summary) => sum + summary[name], 0) / summaries.length;
    return {
      loss,
      metrics: {
        psnr: -10 * Math.log10(loss),
        ...(compared.size === 0 ? {} : { ssim: similarity / compared.size }),
        ...(quantizer === null
          ? {}
          : {
              validationUsage: mean("usage"),
              validationPerplexity: mean("perplexity"),
              validationQuantizationError: quantizationError,
            }),
      },
      histograms: usage.map((each) => each.histogram),
    };
  }

  /** Where the rotation trick lengthens gradients much, on the first batch. */
  async function notes(
    { encoder, quantizer: own }: EngineLeaves<Tree>,
    variables: EngineLeaves<Tree> | undefined,
  ): Promise<string[]> {
    if (built.rotated.length === 0) return [];
    await using through = compile(
      (params: ImageAutoencoderParams["encoder"], p: QuantizerTree, s: QuantizerTree, images: np.Array) => {
        const z = encodeImages(params, images, model);
        const both = () => [tree.ref(p), tree.ref(s)] as const;
        const q = quantizer!.decode(...both(), quantizer!.encode(...both(), z.ref));
        tree.dispose([p, s]);
        return { z, q };
      },
      { ...placement, name: "rotation" },
    );
    const images = EngineArray.from(sampler.batch(0), [batchSize, height, width, channels]);
    const inputs = [encoder, own, (variables as { quantizer: unknown }).quantizer, images];
    const { z, q } = await through(...(inputs as [never, never, never, never]));
    const found = built.rotated.map(({ part, start, end }) => {
      const [from, to] = [z, q].map((x) => x.ref.slice([], [], [], [start, end])) as [np.Array, np.Array];
      const warning = rotationWarning(from, to);
      tree.dispose([from, to]);
      return warning === null || part === null ? warning : `part ${part + 1}, ${warning}`;
    });
    tree.dispose([z, q]);
    return found.filter((warning) => warning !== null);
  }

  return {
    ...autoencoderSteps(resolved, sampler, config.training),
    notes,
    facts: {
      kind: "autoencoder",
      model,
      parameters: { total },
      codebookSizes: quantizer?.codebookSizes ?? [],
      trainImages: data.train.count,
      validationImages: numBatches * evalSize,
    },
    unit: "mean squared error",
    item: "images",
    itemsPerBatch: batchSize,
    flopsPerBatch: flopsPerImage(model, built.numSearched) * batchSize,
    epochs: (batches) => sampler.epochs(batches),
    evaluate,
    picture: {
      name: "reconstructions",
      async draw(current, variables) {
        const chosen = spreadPlaces(numBatches * evalSize, evalSize);
        const { originals, made } = await reconstructBatch(current, variables, chosen);
        const shown = Math.min(imagesOfPicture, evalSize);
        const images = (values: ArrayLike<number>) => {
          const set = imagesFromBatch(values, image as ImageSet);
          return Array.from({ length: shown }, (_, i) => imageAt(set, i));
        };
        return reconstructionGrid(images(originals), images(made));
      },
    },
    stored: { tokenizer: null, image },
    checkStored({ image: stored }, run) {
      const [was, is] = [stored, image].map((size) =>
        size === undefined ? "none" : `${size.height}×${size.width}×${size.channels}`,
      );
      if (was !== is)
        throw new CheckpointError(
          `run ${run}: was trained on images of ${was}, the data now gives ${is}: the source has changed`,
        );
    },
    close: () => evaluated.dispose(),
    [Symbol.dispose]() {},
  };
}
