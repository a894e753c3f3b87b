import { type Checkpoint, openCheckpoint } from "../checkpoint/index.ts";
import { toDevice } from "../compile/index.ts";
import { type CodesConfig, type LanguageConfig, parseConfig } from "../config/index.ts";
import { type ChatMessage, ChatTemplate, chatPrompt, type Tokenizer, writePng } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { RunStore } from "../runs/index.ts";
import { CodeSampler, checkSampling, Generator, ImageCodec, type SamplingOptions } from "../sample/index.ts";
import {
  codesTransformer,
  loadCodesModel,
  sampleGrid,
  textModelOf,
  transformerParameters,
  vocabularyOf,
} from "../tasks/index.ts";
import { type PlacementFlags, placementFor } from "./placementFor.ts";
import { out, print, printRaw, warn } from "./print.ts";
import { showImage } from "./terminalImage.ts";

export interface SampleFlags extends PlacementFlags {
  readonly prompt?: string;
  readonly chat?: boolean;
  readonly system?: string;
  readonly tokens?: number;
  readonly images?: number;
  readonly class?: number;
  readonly out?: string;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly checkpoint?: number;
  readonly raw?: boolean;
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
  using store = new RunStore(flags.home, { readOnly: true });
  const run = store.getRun(reference);
  const checkpoint = openCheckpoint(store, run, flags.checkpoint ?? "latest", warn);
  const config = parseConfig(checkpoint.sidecar.config);
  switch (config.task) {
    case "language":
      refuse(flags, ["images", "class", "out"], `run ${run.id} makes text`);
      await sampleText(config, checkpoint, flags, sampling);
      return 0;
    case "codes":
      refuse(flags, ["prompt", "chat", "system", "tokens", "raw"], `run ${run.id} makes images`);
      await sampleImages(config, checkpoint, run.id, flags, sampling);
      return 0;
    case "autoencoder":
      throw new ConfigError(
        `run ${run.id}: is an autoencoder, which can't be sampled from: expected a model of text or of codes`,
      );
    case "own":
      throw new ConfigError(
        `run ${run.id}: is of a task of its own, which isn't known how to be sampled from: expected a model of text or of codes`,
      );
  }
}

/** @throws ConfigError for the first option that is given and means nothing here */
function refuse(flags: SampleFlags, names: readonly (keyof SampleFlags)[], reason: string): void {
  for (const name of names)
    if (flags[name] !== undefined) throw new ConfigError(`--${name} ${flags[name]}: ${reason}`);
}

/** What the model continues: a text, which is shown before, or a user's turn, of which only the answer is. @throws ConfigError, DataError */
function startOf(
  { prompt, chat = false, system }: SampleFlags,
  { sidecar }: Checkpoint,
  tokenizer: Tokenizer,
): { readonly shown: string; readonly prompt: string | readonly number[]; readonly endTokens?: number[] } {
  if (!chat) {
    if (system !== undefined) throw new ConfigError(`--system ${system}: expected --chat beside it`);
    const text = prompt ?? defaults.prompt;
    return { shown: text, prompt: text };
  }
  if (prompt === undefined) throw new ConfigError("--chat: expected --prompt, with what the user says");
  const { chatTemplate: stored } = sidecar;
  if (stored === undefined)
    throw new ConfigError(
      "--chat: the model has no chat template: expected one that came in with a template, or was trained on conversations (data.examples chat)",
    );
  const messages: ChatMessage[] = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  const { ids, endOfAnswer } = chatPrompt(
    new ChatTemplate(stored.source, stored.tokens),
    tokenizer,
    messages,
  );
  return { shown: "", prompt: ids, endTokens: endOfAnswer === null ? [] : [endOfAnswer] };
}

async function sampleText(
  config: LanguageConfig,
  checkpoint: Checkpoint,
  flags: SampleFlags,
  sampling: SamplingOptions,
): Promise<void> {
  const { tokens = defaults.tokens, seed, raw = false } = flags;
  const { tokenizer, model, params: stored } = await textModelOf(config, checkpoint);
  const { shown, ...start } = startOf(flags, checkpoint, tokenizer);
  const placement = await placementFor(config, flags);
  const params = await toDevice(stored, placement);
  const generator = new Generator(model, tokenizer, placement);
  const options = {
    ...start,
    numTokens: tokens,
    seed,
    temperature: 0.8,
    ...config.imported?.generation,
    ...sampling,
  };
  const write = raw ? printRaw : (piece: string) => print(piece);
  // The prompt only once the first piece is there: what can't be sampled prints nothing.
  let text = shown;
  for await (const piece of generator.generate(params, options)) {
    write(text + piece);
    text = "";
  }
  write(`${text}\n`);
  await generator.dispose();
}

async function sampleImages(
  config: CodesConfig,
  checkpoint: Checkpoint,
  run: string,
  flags: SampleFlags,
  sampling: SamplingOptions,
): Promise<void> {
  const { images = defaults.images, out: file = defaults.out, seed } = flags;
  const loaded = await loadCodesModel(config.data, flags.home);
  const stored = checkpoint.sidecar.codes;
  if (stored === undefined || stored.identity !== loaded.identity) {
    throw new DataError(
      `run ${run}: was trained on codes of another decoder or codebook than run ${loaded.run.id} now has at step ${loaded.step}`,
    );
  }
  const placement = await placementFor(config, flags);
  const codec = new ImageCodec(loaded.model, placement);
  const codesPerImage = codec.codeShape.reduce((a, b) => a * b);
  const vocabulary = vocabularyOf(loaded, stored.numClasses);
  const model = codesTransformer(config, vocabulary, codec.codeShape);
  const sampler = new CodeSampler(model, vocabulary, codesPerImage, placement);
  try {
    const classes = Array.from({ length: images }, (_, i) => {
      if (flags.class !== undefined) return flags.class;
      return stored.numClasses === 0 ? null : i % stored.numClasses;
    });
    const params = await toDevice(await transformerParameters(config, model, checkpoint), placement);
    const codes = await sampler.sample(params, { classes, seed, ...sampling });
    const grid = sampleGrid(await codec.decode(codes));
    await writePng(file, grid);
    out(`wrote ${file}: ${images} images`);
    await showImage(grid);
  } finally {
    await sampler.dispose();
    await codec.dispose();
  }
}
