import { ConfigError } from "../errors.ts";
import { packablePositions } from "../nn/index.ts";
import { type OptimizerMethod, optimizerMethods, withDefaults } from "../optim/index.ts";
import { layouts } from "../position/index.ts";
import { isAdapted } from "./adaptation.ts";
import { ParameterRules } from "./parameterRules.ts";
import { parametrizedModel } from "./parametrizedModel.ts";
import { resolveSchedule } from "./scheduleSchema.ts";
import type { TrainConfig } from "./schema.ts";

const rotaryKeys = [
  "ropeBase",
  "ropePairing",
  "ropeScaling",
  "rotaryDim",
  "allocation",
  "slidingRopeBase",
  "nopeLayers",
] as const;

/** Choices of rotary positions, for models with others: they would change nothing. @throws ConfigError */
function checkRotaryKeys(config: TrainConfig): void {
  if (config.task === "autoencoder" || config.task === "own") return;
  const { position = "rope" } = config.model;
  if (position === "rope") return;
  for (const key of rotaryKeys) {
    if (config.model[key] !== undefined && config.model[key] !== null) {
      throw new ConfigError(
        `config: model.${key}: has no effect with model.position ${position}; leave it out, or choose model.position rope`,
      );
    }
  }
}

/** Choices between axes, for models whose positions have one: they would change nothing. @throws ConfigError */
function checkAxes(config: TrainConfig): void {
  if (config.task === "autoencoder" || config.task === "own") return;
  const { ropePairing, allocation } = config.model;
  if (config.task === "codes" && layouts[config.model.layout].axes.length > 1) return;
  const isCodes = config.task === "codes";
  const why = isCodes ? `model.layout ${config.model.layout} has` : "positions of text have";
  const remedy = isCodes ? ", or a model.layout with rows and columns" : "";
  if (ropePairing === "half-per-axis") {
    throw new ConfigError(
      `config: model.ropePairing half-per-axis: ${why} one axis; expected half or interleaved${remedy}`,
    );
  }
  if (allocation !== undefined && allocation.kind !== "cyclic" && allocation.kind !== "per-head") {
    throw new ConfigError(
      `config: model.allocation ${allocation.kind}: ${why} one axis; expected cyclic or per-head${remedy}`,
    );
  }
}

/** Optimizers that ask the forward pass for logits, or are averages already. @throws ConfigError */
function checkOptimizer(config: TrainConfig): void {
  const { optimizer, training } = config;
  const { observes, evaluated }: OptimizerMethod = optimizerMethods[optimizer.kind];
  const where = `config: optimizer.kind ${optimizer.kind}`;
  if (evaluated !== undefined && training.evaluateAverage)
    throw new ConfigError(
      `${where}: is evaluated at its own average; expected training.evaluateAverage false`,
    );
  if (observes === undefined) return;
  if (config.task !== "language")
    throw new ConfigError(`${where}: clips the attention of language models; expected task language`);
  if (config.model.qkNorm !== false)
    throw new ConfigError(
      `${where}: has no effect on attention with QK-norm; expected model.qkNorm false as well`,
    );
  if (config.model.attentionBias !== undefined && config.model.attentionBias !== "none")
    throw new ConfigError(
      `${where}: clips matrices, not biases of queries and keys; expected model.attentionBias none`,
    );
  if (training.accumulate > 1)
    throw new ConfigError(
      `${where}: sees the logits of one batch; expected training.accumulate 1, not ${training.accumulate}`,
    );
}

/** Tokenizers and models belong together. @throws ConfigError */
function checkStart(config: TrainConfig): void {
  const { continues, training } = config;
  if (continues !== undefined && continues.step >= training.steps)
    throw new ConfigError(
      `config: training.steps ${training.steps}: expected more than the ${continues.step} that were done before`,
    );
  if (config.task !== "language") return;
  const isModels = config.data.tokenizer === "model";
  if (config.from !== undefined && !isModels)
    throw new ConfigError(
      `config: data.tokenizer ${JSON.stringify(config.data.tokenizer)}: expected "model", the tokenizer of what training begins with`,
    );
  if (config.from === undefined && isModels)
    throw new ConfigError('config: data.tokenizer "model": expected from as well, which names the model');
}

/** What a parametrization can't scale. @throws ConfigError */
function checkScales(config: TrainConfig): void {
  const model = parametrizedModel(config);
  if (model === null) return;
  const { optimizer } = config;
  const { options, decaysInside = false }: OptimizerMethod = optimizerMethods[optimizer.kind];
  const where = `config: model.parametrization ${model.parametrization}`;
  if (optimizer.matrixDecay !== undefined)
    throw new ConfigError(
      `${where}: keeps weightDecay·learningRate the same at every width, which optimizer.matrixDecay has no way to; expected optimizer.weightDecay, or model.parametrization standard`,
    );
  const { weightDecay } = withDefaults(options, optimizer as object) as unknown as {
    readonly weightDecay: number;
  };
  if (decaysInside && weightDecay > 0)
    throw new ConfigError(
      `${where}: optimizer.weightDecay ${weightDecay} of ${optimizer.kind} is part of its gradient; expected 0, or a decoupled decay as adamw has it`,
    );
}

/** What is trained of a model, and optimizers. @throws ConfigError */
function checkAdaptation(config: TrainConfig): void {
  if (config.task !== "language") return;
  const { optimizer, parameters } = config;
  const { observes, evaluated }: OptimizerMethod = optimizerMethods[optimizer.kind];
  if (config.lora !== undefined && config.from === undefined)
    throw new ConfigError("config: lora: changes a model: expected from as well, which names it");
  if (isAdapted(config) && observes !== undefined)
    throw new ConfigError(
      `config: optimizer.kind ${optimizer.kind}: clips matrices of attention, which aren't all trained; expected another`,
    );
  const model = isAdapted(config) ? parametrizedModel(config) : null;
  if (model !== null)
    throw new ConfigError(
      `config: model.parametrization ${model.parametrization}: scales models all of which is trained; expected standard beside lora and frozen parts`,
    );
  if (new ParameterRules(parameters).hasFactors && (observes ?? evaluated) !== undefined)
    throw new ConfigError(
      `config: parameters: learningRateFactor has no meaning for optimizer.kind ${optimizer.kind}, whose steps go by averages or logits as well; expected another optimizer, or none`,
    );
}

/** Examples instead of texts. @throws ConfigError */
function checkExamples(config: TrainConfig): void {
  if (config.task !== "language") return;
  const { data, model } = config;
  const { examples, chatTemplate, field } = data;
  if (chatTemplate !== undefined && examples !== "chat")
    throw new ConfigError("config: data.chatTemplate: expected data.examples chat as well");
  if (examples === undefined) return;
  const where = `config: data.examples ${examples}`;
  if (examples === "prompt-completion" && field !== undefined)
    throw new ConfigError(`${where}: reads the fields prompt and completion; expected no data.field`);
  if (typeof data.tokenizer !== "string")
    throw new ConfigError(
      `${where}: expected a tokenizer that there is: data.tokenizer as a file, bytes or model`,
    );
  const { position = "rope" } = model;
  if (!(packablePositions as readonly string[]).includes(position))
    throw new ConfigError(
      `${where}: keeps documents of a row apart, which model.position ${position} can't; expected ${packablePositions.join(", ")}`,
    );
}

/** What a schema of single options doesn't see. @throws ConfigError */
export function checkTogether(config: TrainConfig): void {
  checkScales(config);
  checkRotaryKeys(config);
  checkAxes(config);
  checkOptimizer(config);
  checkStart(config);
  checkAdaptation(config);
  checkExamples(config);
  resolveSchedule(config.schedule, config.training.steps);
  const { optimizer, training } = config;
  if (training.evaluateAverage && training.emaDecay === null)
    throw new ConfigError(
      "config: training.evaluateAverage true: expected training.emaDecay as well, for example 0.999",
    );
  if (
    "noiseScaleEvery" in training &&
    training.noiseScaleEvery > 0 &&
    training.batchSize * training.accumulate < 2
  )
    throw new ConfigError(
      `config: training.noiseScaleEvery ${training.noiseScaleEvery}: expected two sequences a step or more; raise training.batchSize or training.accumulate, or give 0`,
    );
  if ("decayed" in optimizer && optimizer.decayed !== undefined && optimizer.matrixDecay === undefined)
    throw new ConfigError(
      "config: optimizer.decayed: says which matrices optimizer.matrixDecay acts on; give it as well, or leave both out",
    );
  if (training.lossScale !== undefined && training.precision !== "mixed")
    throw new ConfigError(
      "config: training.lossScale: has no effect on float32; expected training.precision mixed as well",
    );
  if (optimizer.matrixDecay?.independent === true && optimizer.learningRate === 0)
    throw new ConfigError(
      "config: optimizer.matrixDecay.independent true: expected optimizer.learningRate above 0, or independent false",
    );
}
