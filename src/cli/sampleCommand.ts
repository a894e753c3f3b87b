import type { EngineLeaves } from "../compile/index.ts";
import { writePng } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import type { TransformerParams } from "../nn/index.ts";
import { RunStore } from "../runs/index.ts";
import {
  type Checkpoint,
  CodeSampler,
  type CodesConfig,
  checkSampling,
  codesTransformer,
  evaluatedParameters,
  Generator,
  ImageCodec,
  type LanguageConfig,
  latestCheckpoint,
  loadCheckpoint,
  loadCodesModel,
  parseConfig,
  resolveModel,
  restoreTokenizer,
  type SamplingOptions,
  sampleGrid,
  vocabularyOf,
} from "../train/index.ts";
import { threadsOf, warn } from "./encodeCommand.ts";
import { showImage } from "./terminalImage.ts";

export interface SampleFlags {
  readonly prompt?: string;
  readonly tokens?: number;
  readonly images?: number;
  readonly class?: number;
  readonly out?: string;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly checkpoint?: number;
  readonly home: string;
}

const defaults = { prompt: "The ", tokens: 128, images: 40, out: "samples.png" };

/** `rotor sample`: text from a run's model as it is generated, or images of codes that a run's model draws. */
export async function sampleCommand(reference: string, flags: SampleFlags): Promise<number> {
  const sampling = {
    ...(flags.temperature === undefined ? {} : { temperature: flags.temperature }),
    ...(flags.topK === undefined ? {} : { topK: flags.topK }),
    ...(flags.topP === undefined ? {} : { topP: flags.topP }),
  };
  checkSampling(sampling);
  using store = new RunStore(flags.home, { create: false });
  const run = store.getRun(reference);
  const checkpoint =
    flags.checkpoint === undefined
      ? latestCheckpoint(run.directory, warn)
      : loadCheckpoint(run.directory, flags.checkpoint);
  const config = parseConfig(checkpoint.sidecar.config);
  switch (config.task) {
    case "language":
      refuse(flags, ["images", "class", "out"], `run ${run.id} makes text`);
      await sampleText(config, checkpoint, flags, sampling);
      return 0;
    case "codes":
      refuse(flags, ["prompt", "tokens"], `run ${run.id} makes images`);
      await sampleImages(config, checkpoint, run.id, flags, sampling);
      return 0;
    case "autoencoder":
      throw new ConfigError(
        `run ${run.id}: is an autoencoder, which can't be sampled from: expected a model of text or of codes`,
      );
  }
}

/** @throws ConfigError for the first option that is given and means nothing here */
function refuse(flags: SampleFlags, names: readonly (keyof SampleFlags)[], reason: string): void {
  for (const name of names)
    if (flags[name] !== undefined) throw new ConfigError(`--${name} ${flags[name]}: ${reason}`);
}

async function parametersOf(config: LanguageConfig | CodesConfig, { tensors }: Checkpoint) {
  return (await evaluatedParameters(config, tensors)) as EngineLeaves<TransformerParams>;
}

async function sampleText(
  config: LanguageConfig,
  checkpoint: Checkpoint,
  { prompt = defaults.prompt, tokens = defaults.tokens, seed }: SampleFlags,
  sampling: SamplingOptions,
): Promise<void> {
  const tokenizer = restoreTokenizer(checkpoint.sidecar.tokenizer);
  const generator = new Generator(
    resolveModel(config, tokenizer.vocabSize),
    tokenizer,
    config.training.threads,
  );
  const params = await parametersOf(config, checkpoint);
  const options = { prompt, numTokens: tokens, seed, temperature: 0.8, ...sampling };
  // The prompt only once the first piece is there: what can't be sampled prints nothing.
  let text = prompt;
  for await (const piece of generator.generate(params, options)) {
    process.stdout.write(text + piece);
    text = "";
  }
  process.stdout.write(`${text}\n`);
  await generator.dispose();
}

async function sampleImages(
  config: CodesConfig,
  checkpoint: Checkpoint,
  run: string,
  flags: SampleFlags,
  sampling: SamplingOptions,
): Promise<void> {
  const { images = defaults.images, out = defaults.out, seed } = flags;
  const loaded = await loadCodesModel(config.data, flags.home);
  const stored = checkpoint.sidecar.codes;
  if (stored === undefined || stored.identity !== loaded.identity) {
    throw new DataError(
      `run ${run}: was trained on codes of another decoder or codebook than run ${loaded.run.id} now has at step ${loaded.step}`,
    );
  }
  const codec = new ImageCodec(loaded.model, threadsOf(config));
  const codesPerImage = codec.codeShape.reduce((a, b) => a * b);
  const vocabulary = vocabularyOf(loaded, stored.numClasses);
  const model = codesTransformer(config, vocabulary, codec.codeShape);
  const sampler = new CodeSampler(model, vocabulary, codesPerImage, config.training.threads);
  try {
    const classes = Array.from({ length: images }, (_, i) => {
      if (flags.class !== undefined) return flags.class;
      return stored.numClasses === 0 ? null : i % stored.numClasses;
    });
    const params = await parametersOf(config, checkpoint);
    const codes = await sampler.sample(params, { classes, seed, ...sampling });
    const grid = sampleGrid(await codec.decode(codes));
    await writePng(out, grid);
    process.stdout.write(`wrote ${out}: ${images} images\n`);
    await showImage(grid);
  } finally {
    await sampler.dispose();
    await codec.dispose();
  }
}
