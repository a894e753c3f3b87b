import { ConfigError } from "../errors.ts";
import { resolveTransformerConfig } from "../nn/index.ts";
import { startLength } from "./fineTuning.ts";
import { shownValue } from "./messages.ts";
import { isPlainObject, type PlainObject } from "./plainObject.ts";
import type { LanguageConfig, StartConfig } from "./schema.ts";

/** What a configuration takes from the model that training begins with. */
export interface ModelStart {
  /** As a configuration records it. */
  readonly from: StartConfig;
  /** In words, for messages. */
  readonly what: string;
  readonly model: LanguageConfig["model"] & { readonly vocabSize: number };
  /** LoRA's options of an adapter of PEFT's for the model. */
  readonly adapterOptions: (folder: string) => PlainObject;
  /** `data.tokenizer` of the run that it comes from, which means the same here; null for folders. */
  readonly tokenizer: unknown;
}

/** Finds what `from` names: a folder, or a run as `run` or `run@step`. */
export type FindStart = (reference: unknown) => ModelStart;

/**
 * A configuration with the model and the tokenizer of what it begins with, and a length that the model can take where none is said.
 *
 * @throws ConfigError naming the first option that is said and differs
 */
export function withStart(config: PlainObject, start: ModelStart): PlainObject {
  const { from, what, model, tokenizer } = start;
  const task = config.task ?? "language";
  if (task !== "language")
    throw new ConfigError(`config: from: task ${shownValue(task)}: expected a language model`);
  const resolved = resolveTransformerConfig(model);
  const own = resolved as unknown as PlainObject;
  const given = config.model ?? {};
  if (isPlainObject(given)) {
    for (const [option, value] of Object.entries(given)) {
      if (Object.hasOwn(own, option) && JSON.stringify(value) !== JSON.stringify(own[option]))
        throw new ConfigError(
          `config: model.${option} ${shownValue(value)}: ${what} has ${shownValue(own[option])}; leave it out, as a run takes the model that it begins with`,
        );
    }
  }
  const data = isPlainObject(config.data) ? config.data : {};
  const isOther =
    data.tokenizer !== undefined &&
    data.tokenizer !== "model" &&
    JSON.stringify(data.tokenizer) !== JSON.stringify(tokenizer);
  if (isOther)
    throw new ConfigError(
      `config: data.tokenizer ${shownValue(data.tokenizer)}: ${what} has its own; leave it out`,
    );
  const training = config.training ?? {};
  // A key that the model doesn't have stays, for the schema to name it.
  const unknown = isPlainObject(given)
    ? Object.fromEntries(Object.entries(given).filter(([option]) => !Object.hasOwn(own, option)))
    : {};
  return {
    ...config,
    ...adapterOf(config.lora, start),
    from,
    model: { ...unknown, ...model },
    data: { ...data, tokenizer: "model" },
    ...(isPlainObject(training) && { training: { length: startLength(resolved.maxLength), ...training } }),
  };
}

/** The section `lora` with the options of the adapter that it begins with. */
function adapterOf(lora: unknown, { adapterOptions }: ModelStart): { readonly lora?: PlainObject } {
  if (!isPlainObject(lora) || typeof lora.from !== "string") return {};
  const options = adapterOptions(lora.from);
  for (const [option, value] of Object.entries(lora)) {
    const isOther =
      Object.hasOwn(options, option) && JSON.stringify(options[option]) !== JSON.stringify(value);
    if (isOther && option !== "from")
      throw new ConfigError(
        `config: lora.${option} ${shownValue(value)}: adapter ${lora.from} has ${shownValue(options[option])}; leave it out`,
      );
  }
  return { lora: { ...lora, ...options } };
}
