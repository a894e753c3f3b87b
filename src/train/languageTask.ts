import path from "node:path";
import type { numpy as np } from "@jax-js/jax";
import { EngineArray, type EngineLeaves } from "../compile/index.ts";
import {
  BatchSampler,
  BpeTokenizer,
  byteTokenizer,
  evaluationBatches,
  openTokenDataset,
  type TokenDataset,
  type Tokenizer,
} from "../data/index.ts";
import { CheckpointError, ConfigError } from "../errors.ts";
import {
  countParameters,
  flopsPerToken,
  type TransformerConfig,
  type TransformerParams,
  transformerLoss,
} from "../nn/index.ts";
import type { Tree } from "../optim/index.ts";
import type { LanguageConfig } from "./config.ts";
import { Generator } from "./generate.ts";
import { liveNoiseScale } from "./liveNoiseScale.ts";
import { evaluationStep, initialParameters, resolveModel } from "./model.ts";
import type { StepTask, Task } from "./task.ts";

/** The tokenizer of a checkpoint, so that sampling needs no data. */
export function restoreTokenizer(stored: unknown): Tokenizer {
  return stored === "bytes" ? byteTokenizer() : BpeTokenizer.fromJSON(stored);
}

function storeTokenizer(tokenizer: Tokenizer): unknown {
  return tokenizer instanceof BpeTokenizer ? tokenizer.toJSON() : "bytes";
}

/** Opens the tokens that a configuration asks for; the cache lies in the home folder. */
export function openConfiguredData(config: LanguageConfig, home: string): TokenDataset {
  const { source, format, field, tokenizer, validationFraction, seed } = config.data;
  return openTokenDataset({
    source,
    ...(format === undefined ? {} : { format }),
    ...(field === undefined ? {} : { field }),
    tokenizer,
    validationFraction,
    seed,
    cacheDirectory: path.join(home, "cache"),
  });
}

/** Predicting the next token of `batchSize` sequences of `length` tokens, mean cross-entropy in nats. */
export function languageSteps(
  model: TransformerConfig,
  sampler: BatchSampler,
  { batchSize, length }: { readonly batchSize: number; readonly length: number },
): StepTask {
  return {
    init: async (seed) => ({ params: await initialParameters(model, seed) }) as never,
    batch: (index) => EngineArray.from(sampler.batch(index), [batchSize, length + 1]) as never,
    loss: (params, _variables, tokens) => ({
      loss: transformerLoss(params as TransformerParams, tokens as np.Array, model),
    }),
  };
}

/**
 * A language model and its data.
 *
 * @throws ConfigError, DataError for a configuration or data that can't be used
 */
export function languageTask(config: LanguageConfig, home: string): Task {
  const { batchSize, length, seed, evalBatches, threads, ...training } = config.training;
  const data = openConfiguredData(config, home);
  try {
    const { tokenizer } = data;
    const model = resolveModel(config, tokenizer.vocabSize);
    const sampler = new BatchSampler({ source: data.train, batchSize, length, seed });
    const validation = evaluationBatches(data.validation, batchSize, length, evalBatches);
    const evaluationLoss = evaluationStep(model, threads);
    const generator = new Generator(model, tokenizer, threads);
    const promptTokens = tokenizer.encode(training.samplePrompt).length;
    if (training.sampleTokens > 0 && promptTokens >= model.maxLength) {
      throw new ConfigError(
        `config: training.samplePrompt: has ${promptTokens} tokens, expected fewer than model.maxLength ${model.maxLength}`,
      );
    }
    const itemsPerBatch = batchSize * length;
    return {
      ...languageSteps(model, sampler, config.training),
      facts: {
        kind: "language",
        model,
        parameters: countParameters(model),
        trainTokens: data.train.length,
        validationTokens: data.validation.length,
        numDocuments: data.numDocuments,
      },
      unit: "nats",
      item: "tokens",
      itemsPerBatch,
      flopsPerBatch: flopsPerToken(model, length) * itemsPerBatch,
      epochs: (numBatches) => sampler.epochs(numBatches),
      async evaluate(params) {
        let [sum, bytes, targets] = [0, 0, 0];
        for (const batch of validation) {
          const tokens = EngineArray.from(batch, [batchSize, length + 1]);
          const loss = (await evaluationLoss(params as never, tokens as never)) as np.Array;
          sum += (await loss.data())[0]!;
          batch.forEach((token, i) => {
            if (i % (length + 1) === 0) return;
            bytes += tokenizer.bytes(token).length;
            targets++;
          });
        }
        const loss = sum / validation.length;
        return { loss, metrics: { bitsPerByte: (loss * targets) / bytes / Math.LN2 } };
      },
      samples: {
        every: training.sampleEvery,
        atEnd: training.sampleTokens > 0,
        async make(params: EngineLeaves<Tree>) {
          const { samplePrompt, sampleTokens } = training;
          const text = await generator.text(params as EngineLeaves<TransformerParams>, {
            prompt: samplePrompt,
            numTokens: Math.min(sampleTokens, model.maxLength - promptTokens),
            seed,
            temperature: 0.8,
            topK: 50,
          });
          return samplePrompt + text;
        },
      },
      noiseScale: (store, run) => liveNoiseScale(model, config.training, sampler, store, run),
      picture: null,
      stored: { tokenizer: storeTokenizer(tokenizer), data: data.identity },
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
        await evaluationLoss.dispose();
        await generator.dispose();
      },
      [Symbol.dispose]: () => data[Symbol.dispose](),
    };
  } catch (error) {
    data[Symbol.dispose]();
    throw error;
  }
}
