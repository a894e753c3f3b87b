import { frozenPrefix, stateShapes } from "../checkpoint/index.ts";
import type { ArrayType } from "../compile/index.ts";
import { resolveAutoencoder, type TrainConfig, transformerShapes } from "../config/index.ts";
import { checkMemory } from "../memoryBudget.ts";
import type { TransformerConfig } from "../nn/index.ts";
import { autoencoderShapes } from "../sample/index.ts";
import type { OwnTaskFacts, TaskFacts } from "../tasks/index.ts";

const bytesPerElement: Readonly<Record<string, number>> = { float16: 2, bool: 1, float64: 8 };

const bytesOf = (leaves: Iterable<ArrayType>): number => {
  let sum = 0;
  for (const { shape, dtype } of leaves)
    sum += shape.reduce((a, b) => a * b, 1) * (bytesPerElement[dtype] ?? 4);
  return sum;
};

/** What a run takes, found without making any of it. */
export interface TrainingMemory {
  /** Types of the parameters that are trained, in their tree. */
  readonly params: unknown;
  /** Parameters that are trained, optimizer and variables, once. */
  readonly stateBytes: number;
  /** Of the parameters that are trained. */
  readonly parameterBytes: number;
  /** Of those that aren't. */
  readonly frozenBytes: number;
  /** Of one batch's logits, with their gradient; 0 for tasks without. */
  readonly logitsBytes: number;
}

/** The parts of {@link TaskFacts} that say how large a model is. */
export type ModelFacts =
  | { readonly kind: "language" | "codes"; readonly model: TransformerConfig }
  | Pick<Extract<TaskFacts, { kind: "autoencoder" }>, "kind" | "model">
  | Pick<OwnTaskFacts, "kind" | "params">;

/** What a run of a configuration takes. @throws ConfigError if the optimizer can't be built */
export function trainingMemory(config: TrainConfig, facts: ModelFacts): TrainingMemory {
  const start =
    facts.kind === "own"
      ? { params: facts.params }
      : facts.kind === "autoencoder"
        ? autoencoderShapes(resolveAutoencoder(config as never, facts.model.image))
        : { params: transformerShapes(facts.model) };
  const shapes = stateShapes(config, start);
  const under = (prefix: string) => [...shapes].filter(([name]) => name.startsWith(prefix));
  const parameters = under("params.");
  const frozenBytes = bytesOf(under(frozenPrefix).map(([, type]) => type));
  const { batchSize } = config.training;
  let logits = 0;
  if (facts.kind !== "autoencoder" && facts.kind !== "own") {
    const length = "length" in config.training ? config.training.length : facts.model.maxLength;
    logits = 2 * 4 * batchSize * length * facts.model.vocabSize;
  }
  return {
    params:
      frozenBytes === 0
        ? start.params
        : Object.fromEntries(parameters.map(([name, type]) => [name.slice("params.".length), type])),
    stateBytes: bytesOf(shapes.values()) - frozenBytes,
    frozenBytes,
    parameterBytes: bytesOf(parameters.map(([, type]) => type)),
    logitsBytes: logits,
  };
}

/** State, gradients and logits: a run takes more. */
export const leastBytes = ({
  stateBytes,
  parameterBytes,
  frozenBytes,
  logitsBytes,
}: TrainingMemory): number => stateBytes + frozenBytes + parameterBytes + logitsBytes;

/**
 * Refuses a run that can't fit, before any of it is made.
 *
 * @throws MemoryError
 */
export function checkTrainingMemory(config: TrainConfig, facts: ModelFacts): void {
  const memory = trainingMemory(config, facts);
  const { batchSize } = config.training;
  checkMemory(
    `training: a model of ${(memory.frozenBytes + memory.parameterBytes) / 4} parameters with ${config.optimizer.kind}, in batches of ${batchSize}`,
    leastBytes(memory),
  );
}
