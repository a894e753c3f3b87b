import type { EngineLeaves } from "../compile/index.ts";
import { ConfigError } from "../errors.ts";
import type { TransformerParams } from "../nn/index.ts";
import { RunStore } from "../runs/index.ts";
import {
  checkSampling,
  evaluatedParameters,
  Generator,
  latestCheckpoint,
  loadCheckpoint,
  parseConfig,
  resolveModel,
  restoreTokenizer,
} from "../train/index.ts";

export interface SampleFlags {
  readonly prompt: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed: number;
  readonly checkpoint?: number;
  readonly home: string;
}

/** `rotor sample`: text from a run's model, as it is generated. */
export async function sampleCommand(reference: string, flags: SampleFlags): Promise<number> {
  const sampling = {
    temperature: flags.temperature,
    ...(flags.topK === undefined ? {} : { topK: flags.topK }),
    ...(flags.topP === undefined ? {} : { topP: flags.topP }),
  };
  checkSampling(sampling);
  using store = new RunStore(flags.home);
  const run = store.getRun(reference);
  const checkpoint =
    flags.checkpoint === undefined
      ? latestCheckpoint(run.directory, (message) => process.stderr.write(`rotor: ${message}\n`))
      : loadCheckpoint(run.directory, flags.checkpoint);
  const config = parseConfig(checkpoint.sidecar.config);
  if (config.task !== "language") {
    throw new ConfigError(
      `run ${run.id}: is an ${config.task}, which has no text to sample: expected a language model`,
    );
  }
  const tokenizer = restoreTokenizer(checkpoint.sidecar.tokenizer);
  const generator = new Generator(
    resolveModel(config, tokenizer.vocabSize),
    tokenizer,
    config.training.threads,
  );
  const params = (await evaluatedParameters(config, checkpoint.tensors)) as EngineLeaves<TransformerParams>;
  process.stdout.write(flags.prompt);
  for await (const piece of generator.generate(params, {
    prompt: flags.prompt,
    numTokens: flags.tokens,
    seed: flags.seed,
    ...sampling,
  })) {
    process.stdout.write(piece);
  }
  process.stdout.write("\n");
  await generator.dispose();
  return 0;
}
