import { buildOptimizer, parseAutoencoderConfig, resolveAutoencoder } from "../../config/index.ts";
import type { ImageDataset } from "../../data/index.ts";
import type { VectorQuantizer } from "../../quantize/index.ts";
import { autoencoderTaskOn } from "../../tasks/index.ts";
import { StepRunner } from "../../train/index.ts";
import { type Method, type MethodName, methods } from "./methods.ts";

/** What decides a trial. */
export interface QuantizerTrial {
  readonly method: MethodName;
  readonly numCodes: number;
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly channels: readonly number[];
  readonly learningRate: number;
  readonly reconstructionWeight: number;
  /** Steps between evaluations for the curve. */
  readonly evalEvery: number;
  /** Held-out images of the curve; the end is measured on all. */
  readonly evalImages: number;
}

/** What a trial found, on held-out images unless it says otherwise. Null where training diverged. */
export interface QuantizerTrialResult {
  /** Mean squared error of pixels from 0 to 1. */
  readonly loss: number | null;
  readonly psnr: number | null;
  /** Share of codes that any held-out vector is nearest to. */
  readonly usage: number | null;
  readonly perplexity: number | null;
  readonly quantizationError: number | null;
  /** Share of codes that were hit in the last 100 batches of the training. */
  readonly trainUsage: number | null;
  /** Mean squared errors along the way: `[step, loss]`. */
  readonly curve: readonly (readonly [number, number])[];
}

const round = (value: number) => Number(value.toPrecision(5));

/** Trains one autoencoder and measures its codes. */
export async function quantizerTrial(
  trial: QuantizerTrial,
  data: ImageDataset,
  threads: number,
): Promise<QuantizerTrialResult> {
  const { method, numCodes, steps, batchSize, channels, evalEvery, evalImages, seed } = trial;
  const reduction = 2 ** channels.length;
  const perImage = (data.train.height / reduction) * (data.train.width / reduction);
  const config = parseAutoencoderConfig({
    task: "autoencoder",
    model: {
      encoder: { kind: "convolutional", channels, numBlocks: 1 },
      reconstructionWeight: trial.reconstructionWeight,
    },
    quantizer: methods[method].quantizer(numCodes, batchSize * perImage),
    optimizer: { kind: "adamw", learningRate: trial.learningRate, weightDecay: 0 },
    schedule: { kind: "warmup-cosine", warmupSteps: Math.ceil(steps / 20), finalFraction: 0.1 },
    training: { steps, batchSize, seed, threads },
  });
  const resolved = resolveAutoencoder(config, data.train);
  const { start }: Method = methods[method];
  if (start !== undefined) {
    const quantizer = resolved.built.quantizer as VectorQuantizer;
    Object.assign(quantizer, {
      init: (key: Parameters<typeof start>[0]) => quantizer.initFrom(start(key, numCodes)),
    });
  }
  const task = autoencoderTaskOn(config, data, resolved);
  const during = autoencoderTaskOn(
    { ...config, training: { ...config.training, evalImages } },
    data,
    resolved,
  );
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  try {
    using state = await runner.init();
    const curve: [number, number][] = [];
    let trainUsage = 0;
    for (let done = 1; done <= steps; done++) {
      const { loss, metrics } = await runner.run(state, done - 1);
      if (!Number.isFinite(loss)) return diverged(curve);
      trainUsage = metrics.usage!;
      if (done % evalEvery === 0) {
        const { params, variables } = state.leaves();
        curve.push([done, round((await during.evaluate(params, variables)).loss)]);
      }
    }
    const { params, variables } = state.leaves();
    const { loss, metrics } = await task.evaluate(params, variables);
    if (!Number.isFinite(loss)) return diverged(curve);
    return {
      loss: round(loss),
      psnr: round(metrics.psnr!),
      usage: round(metrics.validationUsage!),
      perplexity: round(metrics.validationPerplexity!),
      quantizationError: round(metrics.validationQuantizationError!),
      trainUsage: round(trainUsage),
      curve,
    };
  } finally {
    await runner.dispose();
    await task.close();
    await during.close();
  }
}

function diverged(curve: QuantizerTrialResult["curve"]): QuantizerTrialResult {
  return {
    loss: null,
    psnr: null,
    usage: null,
    perplexity: null,
    quantizationError: null,
    trainUsage: null,
    curve,
  };
}
