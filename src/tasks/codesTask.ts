import type { numpy as np } from "@jax-js/jax";
import { EngineArray, type EngineLeaves, placementOf } from "../compile/index.ts";
import { type CodesConfig, evaluationStep, initialParameters, resolveTransformer } from "../config/index.ts";
import {
  type ImageCodes,
  type ImageSet,
  imageAt,
  imageGrid,
  type LabelledImages,
  mix,
  permuted,
  readCodeFile,
  visibleScale,
} from "../data/index.ts";
import { CheckpointError, DataError } from "../errors.ts";
import {
  countParameters,
  flopsPerToken,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import { type Document, type LayoutName, layoutPositions, layouts, positionOf } from "../position/index.ts";
import { RunStore } from "../runs/index.ts";
import {
  CodeSampler,
  type CodeVocabulary,
  codesToTokens,
  codeVocabSize,
  ImageCodec,
  type LoadedImageModel,
  loadImageModel,
} from "../sample/index.ts";
import { openConfiguredImages } from "./autoencoderTask.ts";
import type { Task } from "./task.ts";

/** What a checkpoint says of the codes that a model was trained on. */
export interface StoredCodes {
  /** The autoencoder's run, the step of its checkpoint, and its identity. */
  readonly run: string;
  readonly step: number;
  readonly identity: string;
  readonly numClasses: number;
}

/** Sequences of tokens, one per image, all of one length. */
interface CodeSequences {
  readonly count: number;
  /** `[count, 1 + codes per image]` */
  readonly tokens: Int32Array;
}

/** Pictures are drawn of so many images. */
const pictureImages = 40;
const pictureColumns = 10;

/** Loads the autoencoder whose codes a configuration trains on. */
export async function loadCodesModel(data: CodesConfig["data"], home: string): Promise<LoadedImageModel> {
  using store = new RunStore(home, { readOnly: true });
  return await loadImageModel(store, store.getRun(data.run), data.checkpoint);
}

/**
 * A configuration that names the autoencoder's run and checkpoint for good: names and `latest` may mean other ones later. An expected loss
 * stays if the autoencoder has one too and has been trained to the end: it was measured on the codes of such runs.
 *
 * @throws RunStoreError, CheckpointError, ConfigError if there is no such autoencoder
 */
export async function pinCodes(config: CodesConfig, home: string): Promise<CodesConfig> {
  const { run, step, config: autoencoder } = await loadCodesModel(config.data, home);
  const isAsMeasured = autoencoder.expectedLoss !== null && step === autoencoder.training.steps;
  return {
    ...config,
    data: { ...config.data, run: run.id, checkpoint: step },
    expectedLoss: isAsMeasured ? config.expectedLoss : null,
  };
}

/** The vocabulary of a model's codes. */
export function vocabularyOf({ model }: LoadedImageModel, numClasses: number): CodeVocabulary {
  return { codebookSizes: model.quantizer.codebookSizes, numClasses };
}

/**
 * The transformer of a configuration: its sequences are as long as an image has codes.
 *
 * @param shape - rows and columns of vectors, and codes of one
 * @throws ConfigError if sizes don't fit together, or a layout is given for other positions than rotary ones
 */
export function codesTransformer(
  config: CodesConfig,
  vocabulary: CodeVocabulary,
  shape: readonly [height: number, width: number, perVector: number],
): TransformerConfig {
  const { layout, ...options } = config.model;
  return resolveTransformer(config, {
    ...options,
    vocabSize: codeVocabSize(vocabulary),
    maxLength: shape[0] * shape[1] * shape[2],
    placePositions: layout === "flat" ? null : imagePositions(layout, shape),
  });
}

/** Positions of a start token and the codes after it but the last, which nothing follows; codes of one vector share its position. */
function imagePositions(
  name: LayoutName,
  [height, width, perVector]: readonly [number, number, number],
): number[][] {
  const document: Document = [
    { kind: "text", length: 1 },
    { kind: "image", height, width },
  ];
  const positions = layoutPositions(layouts[name], document);
  const vectors = Array.from({ length: height * width }, (_, i) => positionOf(positions, 1 + i));
  const codes = vectors.flatMap((vector) => Array<number[]>(perVector).fill(vector));
  return [positionOf(positions, 0), ...codes.slice(0, -1)];
}

/** Codes of all images of one part, with their classes. */
interface LabelledCodes {
  readonly codes: Int32Array;
  readonly labels: Uint8Array | null;
}

function sequencesOf(vocabulary: CodeVocabulary, part: LabelledCodes, codesPerImage: number): CodeSequences {
  const count = part.codes.length / codesPerImage;
  const length = 1 + codesPerImage;
  const tokens = new Int32Array(count * length);
  for (let i = 0; i < count; i++) {
    const own = part.codes.subarray(i * codesPerImage, (i + 1) * codesPerImage);
    tokens.set(codesToTokens(vocabulary, own, part.labels?.[i] ?? null), i * length);
  }
  return { count, tokens };
}

function labelsOf(images: ImageSet | LabelledImages): Uint8Array | null {
  return "labels" in images ? images.labels : null;
}

/** Codes of a file; images take turns, so that the parts are alike. */
function openFile(
  { file, validationFraction, seed }: CodesConfig["data"],
  identity: string,
  codesPerImage: number,
): { train: LabelledCodes; validation: LabelledCodes } {
  const stored: ImageCodes = readCodeFile(file!);
  if (stored.identity !== identity) {
    throw new DataError(
      `code file "${file}": was made by step ${stored.step} of run ${stored.run}, with another decoder or codebook than data.run: expected that run, and that step as data.checkpoint`,
    );
  }
  const count = stored.names.length;
  const kept = Math.min(count - 1, Math.max(1, Math.round(count * validationFraction)));
  if (count < 2) throw new DataError(`code file "${file}": has ${count} images, expected at least two`);
  const take = (from: number, to: number): LabelledCodes => {
    const codes = new Int32Array((to - from) * codesPerImage);
    for (let i = from; i < to; i++) {
      const image = permuted(i, count, seed);
      const own = stored.codes.subarray(image * codesPerImage, (image + 1) * codesPerImage);
      codes.set(own, (i - from) * codesPerImage);
    }
    return { codes, labels: null };
  };
  return { train: take(kept, count), validation: take(0, kept) };
}

/**
 * A transformer that predicts the codes of images one by one, and its data: the codes that an autoencoder gives to its own images,
 * or those of a file.
 *
 * @throws ConfigError, DataError, RunStoreError, CheckpointError for a configuration or data that can't be used
 */
export async function codesTask(config: CodesConfig, home: string): Promise<Task> {
  const { batchSize, evalImages, seed, sampleImages } = config.training;
  const placement = placementOf(config.training);
  const loaded = await loadCodesModel(config.data, home);
  const codec = new ImageCodec(loaded.model, placement);
  try {
    const [rows, columns, perVector] = codec.codeShape;
    const codesPerImage = rows * columns * perVector;
    let parts: { train: LabelledCodes; validation: LabelledCodes };
    if (config.data.file === undefined) {
      const images = await openConfiguredImages(loaded.config);
      const encode = async (part: ImageSet): Promise<LabelledCodes> => {
        return { codes: (await codec.encode(part)).codes, labels: labelsOf(part) };
      };
      parts = { train: await encode(images.train), validation: await encode(images.validation) };
    } else parts = openFile(config.data, loaded.identity, codesPerImage);
    const numClasses = parts.train.labels === null ? 0 : 1 + Math.max(...parts.train.labels);
    const vocabulary = vocabularyOf(loaded, numClasses);
    const model = codesTransformer(config, vocabulary, codec.codeShape);
    const train = sequencesOf(vocabulary, parts.train, codesPerImage);
    const validation = sequencesOf(vocabulary, parts.validation, codesPerImage);
    const numEvaluated = Math.min(evalImages ?? validation.count, validation.count);
    const evalSize = Math.min(batchSize, numEvaluated);
    const numBatches = Math.floor(numEvaluated / evalSize);
    const evaluationLoss = evaluationStep(model, placement);
    const sampler = new CodeSampler(model, vocabulary, codesPerImage, placement);
    const rowsOf = ({ tokens }: CodeSequences, places: readonly number[]) => {
      const length = 1 + codesPerImage;
      const batch = new Int32Array(places.length * length);
      places.forEach((place, i) => {
        batch.set(tokens.subarray(place * length, (place + 1) * length), i * length);
      });
      return EngineArray.from(batch, [places.length, length]);
    };
    const itemsPerBatch = batchSize * codesPerImage;
    const stored: StoredCodes = {
      run: loaded.run.id,
      step: loaded.step,
      identity: loaded.identity,
      numClasses,
    };
    return {
      init: async (runSeed) => ({ params: await initialParameters(model, runSeed) }),
      batch(index) {
        const places = Array.from({ length: batchSize }, (_, i) => {
          const drawn = index * batchSize + i;
          const epoch = Math.floor(drawn / train.count);
          return permuted(drawn % train.count, train.count, mix(seed, epoch));
        });
        return rowsOf(train, places);
      },
      loss: (params, _variables, tokens) => ({
        loss: transformerLoss(params as TransformerParams, tokens as np.Array, model),
      }),
      facts: {
        kind: "codes",
        model,
        parameters: countParameters(model),
        run: loaded.run.id,
        codesPerImage,
        numClasses,
        trainImages: train.count,
        validationImages: numBatches * evalSize,
      },
      unit: "nats per code",
      item: "codes",
      itemsPerBatch,
      flopsPerBatch: flopsPerToken(model, codesPerImage) * itemsPerBatch,
      epochs: (batches) => (batches * batchSize) / train.count,
      async evaluate(params) {
        let sum = 0;
        for (let batch = 0; batch < numBatches; batch++) {
          const places = Array.from({ length: evalSize }, (_, i) => batch * evalSize + i);
          const tokens = rowsOf(validation, places);
          const loss = (await evaluationLoss(params, tokens)) as np.Array;
          sum += (await loss.data())[0]!;
        }
        const loss = sum / numBatches;
        return { loss, metrics: { bitsPerCode: loss / Math.LN2 } };
      },
      picture:
        sampleImages === 0
          ? null
          : {
              name: "samples",
              async draw(params) {
                const classes = Array.from({ length: Math.min(sampleImages, pictureImages) }, (_, i) =>
                  numClasses === 0 ? null : i % numClasses,
                );
                const codes = await sampler.sample(params as EngineLeaves<TransformerParams>, {
                  classes,
                  seed,
                });
                return sampleGrid(await codec.decode(codes));
              },
            },
      stored: { tokenizer: null, codes: stored },
      checkStored({ codes: was }, run) {
        if (was?.identity !== loaded.identity || was.numClasses !== numClasses) {
          throw new CheckpointError(
            `run ${run}: was trained on codes of another decoder or codebook than run ${loaded.run.id} now has at step ${loaded.step}`,
          );
        }
      },
      async close() {
        await evaluationLoss.dispose();
        await sampler.dispose();
        await codec.dispose();
      },
      [Symbol.dispose]() {},
    };
  } catch (error) {
    await codec.dispose();
    throw error;
  }
}

/** Drawn images in rows. */
export function sampleGrid(images: ImageSet): ReturnType<typeof imageGrid> {
  const all = Array.from({ length: images.count }, (_, i) => imageAt(images, i));
  return imageGrid(all, { columns: pictureColumns, scale: visibleScale(images) });
}
