import path from "node:path";
import type { numpy as np } from "@jax-js/jax";
import { arraysLike, flattenShapes, flattenState, type StoredTensor } from "../checkpoint/index.ts";
import { EngineArray, type EngineLeaves, type EngineTree, placementOf } from "../compile/index.ts";
import {
  adaptationOf,
  adaptedFlopsPerToken,
  initialParameters,
  type LanguageConfig,
  resolveModel,
  transformerShapes,
} from "../config/index.ts";
import {
  BatchSampler,
  BpeTokenizer,
  byteTokenizer,
  ChatTemplate,
  type ExampleKind,
  namedTokenizer,
  openExampleDataset,
  openTokenDataset,
  PipelineTokenizer,
  promptTokens,
  readChatTemplate,
  type StoredChatTemplate,
  type TokenDataset,
  type Tokenizer,
} from "../data/index.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import { checkMemory } from "../memoryBudget.ts";
import {
  countParameters,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import { Generator } from "../sample/index.ts";
import { AdaptedModel } from "./adaptedModel.ts";
import {
  exampleEvaluation,
  exampleNoise,
  exampleSteps,
  type LanguageEvaluation,
  textEvaluation,
  textNoise,
} from "./languageBatches.ts";
import { liveNoiseScale, type NoisePairs } from "./liveNoiseScale.ts";
import { maxLogits } from "./maxLogits.ts";
import type { StepTask, Task, TaskFacts } from "./task.ts";

/** The tokenizer of a checkpoint, so that sampling needs no data. */
export function restoreTokenizer(stored: unknown): Tokenizer {
  if (stored === "bytes") return byteTokenizer();
  return PipelineTokenizer.isStored(stored)
    ? PipelineTokenizer.fromJSON(stored)
    : BpeTokenizer.fromJSON(stored);
}

/** What a checkpoint keeps of a tokenizer. */
export function storeTokenizer(tokenizer: Tokenizer): unknown {
  const hasFile = tokenizer instanceof BpeTokenizer || tokenizer instanceof PipelineTokenizer;
  return hasFile ? tokenizer.toJSON() : "bytes";
}

/** What a task takes from a model that training begins with, or from a checkpoint. */
export interface GivenModel {
  readonly tokenizer: Tokenizer;
  /** How conversations are written as text, where the model has a way. */
  readonly chatTemplate?: StoredChatTemplate;
  /** The model's parameters by path, for step 0. */
  readonly parameters?: () => Promise<ReadonlyMap<string, StoredTensor>>;
  /** LoRA's matrices by path, for step 0; absent for those of the seed. */
  readonly changes?: ReadonlyMap<string, StoredTensor>;
  /** What a checkpoint says isn't trained, by path; its other parameters follow. */
  readonly frozen?: ReadonlyMap<string, StoredTensor>;
}

/**
 * Opens the tokens that a configuration asks for; the cache lies in the home folder.
 *
 * @param own - of the model or the checkpoint, for `data.tokenizer: model`
 */
export async function openConfiguredData(
  config: LanguageConfig,
  home: string,
  own?: GivenModel,
): Promise<TokenDataset> {
  if (config.data.examples !== undefined)
    throw new ConfigError(
      `config: data.examples ${config.data.examples}: this is measured on texts; expected a run without data.examples`,
    );
  return openTokenDataset({
    ...config.data,
    tokenizer: givenTokenizer(config, own),
    cacheDirectory: path.join(home, "cache"),
  });
}

function givenTokenizer({ data }: LanguageConfig, own?: GivenModel) {
  const tokenizer = data.tokenizer === "model" ? own?.tokenizer : data.tokenizer;
  if (tokenizer === undefined)
    throw new ConfigError(
      'config: data.tokenizer "model": expected the tokenizer of a model or a checkpoint',
    );
  return tokenizer;
}

/** The chat template of a run: its checkpoint's, which it began with; else the configuration's, else that of the model. */
function templateOf({ data }: LanguageConfig, own?: GivenModel): StoredChatTemplate | null {
  const given = own?.chatTemplate ?? null;
  const isCheckpoint = own !== undefined && own.parameters === undefined;
  if (data.chatTemplate === undefined || (isCheckpoint && given !== null)) return given;
  return readChatTemplate(data.chatTemplate);
}

/** What a language model learns from and is evaluated on: texts, or examples. */
interface LanguageData extends Disposable {
  readonly tokenizer: Tokenizer;
  readonly identity: string;
  readonly facts: Pick<
    Extract<TaskFacts, { kind: "language" }>,
    "trainTokens" | "validationTokens" | "hasOwnSplit" | "numDocuments"
  >;
  readonly notes: readonly string[];
  steps(model: TransformerConfig): Pick<StepTask, "batch" | "loss">;
  evaluation(model: TransformerConfig): LanguageEvaluation;
  epochs(numBatches: number): number;
  /** What the noise scale is measured on. */
  noise(model: TransformerConfig): NoisePairs;
}

async function openTexts(config: LanguageConfig, home: string, own?: GivenModel): Promise<LanguageData> {
  const data = await openConfiguredData(config, home, own);
  const { batchSize, length, seed } = config.training;
  try {
    const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
    return {
      tokenizer: data.tokenizer,
      identity: data.identity,
      facts: {
        trainTokens: data.train.length,
        validationTokens: data.validation.length,
        hasOwnSplit: data.hasOwnSplit,
        numDocuments: data.numDocuments,
      },
      notes: [],
      steps: (model) => languageSteps(model, sampler, config.training),
      evaluation: (model) => textEvaluation(model, data, config.training, placementOf(config.training)),
      epochs: (numBatches) => sampler.epochs(numBatches),
      noise: (model) => textNoise(model, sampler, config.training),
      [Symbol.dispose]: () => data[Symbol.dispose](),
    };
  } catch (error) {
    data[Symbol.dispose]();
    throw error;
  }
}

async function openExamples(
  config: LanguageConfig,
  examples: ExampleKind,
  template: StoredChatTemplate | null,
  home: string,
  own?: GivenModel,
): Promise<LanguageData> {
  const given = givenTokenizer(config, own);
  if (typeof given === "object" && "bpe" in given)
    throw new ConfigError("config: data.tokenizer: expected a tokenizer that there is beside data.examples");
  const { batchSize, length } = config.training;
  const data = await openExampleDataset({
    ...config.data,
    examples,
    tokenizer: typeof given === "string" ? namedTokenizer(given) : given,
    template:
      examples === "chat" && template !== null ? new ChatTemplate(template.source, template.tokens) : null,
    length,
    cacheDirectory: path.join(home, "cache"),
  });
  return {
    tokenizer: data.tokenizer,
    identity: data.identity,
    facts: {
      trainTokens: data.train.numTokens,
      validationTokens: data.validation.numTokens,
      hasOwnSplit: data.hasOwnSplit,
      numDocuments: data.numExamples,
    },
    notes: data.notes,
    steps: (model) => exampleSteps(model, data, config.training),
    evaluation: (model) => exampleEvaluation(model, data, config.training, placementOf(config.training)),
    epochs: (numBatches) => (numBatches * batchSize) / data.train.numRows,
    noise: (model) => exampleNoise(model, data, config.training),
    [Symbol.dispose]: () => data[Symbol.dispose](),
  };
}

/** Parameters at step 0: those of the model that training begins with, or random ones. */
async function beginning(
  model: TransformerConfig,
  adapted: AdaptedModel | null,
  own: GivenModel | undefined,
  seed: number,
): Promise<EngineTree<Tree>> {
  if (adapted !== null && own?.frozen !== undefined && own.frozen.size > 0) return adapted.resume(own.frozen);
  if (own?.parameters === undefined) {
    const params = await initialParameters(model, seed);
    return adapted === null ? params : adapted.begin(flattenState(params), seed);
  }
  const tensors = new Map(
    [...(await own.parameters())].map(([name, one]) => [`params.${name}`, one] as const),
  );
  const params = arraysLike(transformerShapes(model), tensors, "params", { file: "model" });
  if (adapted === null) return params as EngineTree<Tree>;
  return adapted.begin(flattenState(params), seed, own.changes);
}

/** Predicting the next token of `batchSize` sequences of `length` tokens, mean cross-entropy in nats. */
export function languageSteps(
  model: TransformerConfig,
  sampler: BatchSampler,
  { batchSize, length }: { readonly batchSize: number; readonly length: number },
): StepTask {
  return {
    init: async (seed) => ({ params: await initialParameters(model, seed) }),
    batch: (index) => EngineArray.from(sampler.batch(index), [batchSize, length + 1]),
    loss(params, _variables, tokens, observes) {
      const seen = observes === "maxLogits" ? maxLogits() : null;
      const loss = transformerLoss(params as TransformerParams, tokens as np.Array, model, seen?.observe);
      return seen === null ? { loss } : { loss, observed: { maxLogits: seen.take() } };
    },
  };
}

/**
 * A language model and its data.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export async function languageTask(config: LanguageConfig, home: string, own?: GivenModel): Promise<Task> {
  const { batchSize, length, seed, evalBatches, ...training } = config.training;
  const template = templateOf(config, own);
  const { examples } = config.data;
  const data =
    examples === undefined
      ? await openTexts(config, home, own)
      : await openExamples(config, examples, template, home, own);
  try {
    const { tokenizer } = data;
    const model = resolveModel(config, tokenizer.vocabSize);
    checkMemory(
      `training: ${evalBatches} batches of ${batchSize} × ${length} tokens`,
      4 * evalBatches * batchSize * (length + 1),
    );
    const evaluation = data.evaluation(model);
    const generator = new Generator(model, tokenizer, placementOf(training));
    const promptLength = promptTokens(tokenizer, training.samplePrompt).length;
    if (training.sampleTokens > 0 && promptLength >= model.maxLength) {
      throw new ConfigError(
        `config: training.samplePrompt: has ${promptLength} tokens, expected fewer than model.maxLength ${model.maxLength}`,
      );
    }
    const itemsPerBatch = batchSize * length;
    const adaptation = adaptationOf(config, flattenShapes(transformerShapes(model)));
    const adapted = adaptation === null ? null : new AdaptedModel(adaptation, placementOf(training));
    const steps: StepTask = {
      ...data.steps(model),
      init: async (initSeed) => ({ params: await initialParameters(model, initSeed) }),
    };
    const plain = async (params: EngineLeaves<Tree>) =>
      (adapted === null ? params : await adapted.merged(params)) as EngineLeaves<TransformerParams>;
    return {
      ...steps,
      ...adapted?.steps(steps, seed),
      init: async (initSeed) => ({ params: await beginning(model, adapted, own, initSeed) }),
      ...(adapted === null ? {} : { frozen: () => adapted.storedFrozen }),
      facts: {
        kind: "language",
        model,
        parameters: countParameters(model),
        trainedParameters: adaptation?.numTrained ?? countParameters(model).total,
        ...data.facts,
      },
      notes: async () => data.notes,
      unit: "nats",
      item: "tokens",
      itemsPerBatch,
      flopsPerBatch: adaptedFlopsPerToken(model, length, adaptation) * itemsPerBatch,
      epochs: (numBatches) => data.epochs(numBatches),
      async evaluate(trained) {
        const params = await plain(trained);
        let [sum, weights, bytes, targets] = [0, 0, 0, 0];
        for (const batch of evaluation.batches) {
          const loss = (await evaluation.loss(params, batch.inputs)) as np.Array;
          sum += batch.weight * (await loss.data())[0]!;
          weights += batch.weight;
          for (const token of batch.targets) bytes += tokenizer.bytes(token).length;
          targets += batch.targets.length;
        }
        const loss = sum / weights;
        // Completions may be empty: nothing but the end of a text is learned then.
        return { loss, metrics: bytes === 0 ? {} : { bitsPerByte: (loss * targets) / bytes / Math.LN2 } };
      },
      samples: {
        every: training.sampleEvery,
        atEnd: training.sampleTokens > 0,
        async make(params: EngineLeaves<Tree>) {
          const { samplePrompt, sampleTokens } = training;
          const text = await generator.text(await plain(params), {
            prompt: samplePrompt,
            numTokens: Math.min(sampleTokens, model.maxLength - promptLength),
            seed,
            temperature: 0.8,
            topK: 50,
          });
          return samplePrompt + text;
        },
      },
      noiseScale: (store, run) => liveNoiseScale(config.training, data.noise(model), store, run, adapted),
      picture: null,
      stored: {
        tokenizer: storeTokenizer(tokenizer),
        data: data.identity,
        ...(template === null ? {} : { chatTemplate: template }),
      },
      checkStored(sidecar, run) {
        const stored = restoreTokenizer(sidecar.tokenizer);
        if (stored.id !== tokenizer.id) {
          throw new CheckpointError(
            `run ${run}: was trained with tokenizer ${stored.id}, the data now gives ${tokenizer.id}: the source has changed`,
          );
        }
        if (sidecar.data !== undefined && sidecar.data !== data.identity)
          throw new CheckpointError(
            `run ${run}: was trained on tokens ${sidecar.data}, the data now gives ${data.identity}: the source has changed`,
          );
      },
      async close() {
        await evaluation.loss.dispose();
        await generator.dispose();
      },
      [Symbol.dispose]: () => data[Symbol.dispose](),
    };
  } catch (error) {
    data[Symbol.dispose]();
    throw error;
  }
}
