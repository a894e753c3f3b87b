import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseDocument } from "yaml";
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { positionKinds } from "../nn/index.ts";
import { type LayoutName, layouts, rotaryPairings } from "../position/index.ts";
import { configDifferences } from "../runs/index.ts";
import { type CoefficientTableName, coefficientTable, coefficientTables } from "../spectral/index.ts";
import { autoencoderModelSchema, imageDataSchema, quantizerSchema } from "./autoencoderConfig.ts";
import { coefficientsProblem, coefficientTableSchema, readCoefficientsFile } from "./coefficientsFile.ts";
import { nearest } from "./nearest.ts";
import { presetNames, presets } from "./presets.ts";

const layoutNames = Object.keys(layouts) as [LayoutName];
const positive = z.number().positive();
const count = z.number().int().positive();
const countOrZero = z.number().int().nonnegative();
const fraction = z.number().min(0).lt(1);
const learningRate = z.number().nonnegative();

const ropeScalingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("linear"), factor: positive }),
  z.strictObject({ kind: z.literal("ntk"), factor: positive }),
  z.strictObject({ kind: z.literal("dynamic"), factor: positive, maxLength: count, length: count }),
  z.strictObject({
    kind: z.literal("yarn"),
    factor: positive,
    originalMaxLength: count,
    betaFast: positive.optional(),
    betaSlow: positive.optional(),
    attentionFactor: positive.optional(),
    mscale: positive.optional(),
    mscaleAllDim: positive.optional(),
    truncate: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal("llama3"),
    factor: positive,
    originalMaxLength: count,
    lowFreqFactor: positive.optional(),
    highFreqFactor: positive.optional(),
  }),
  z.strictObject({
    kind: z.literal("longrope"),
    factor: positive,
    originalMaxLength: count,
    shortFactors: z.array(positive),
    longFactors: z.array(positive),
    length: count.optional(),
    attentionFactor: positive.optional(),
  }),
  z.strictObject({
    kind: z.literal("proportional"),
    factor: positive.optional(),
    partialRotaryFactor: z.number().gt(0).max(1),
  }),
]);

const axisCounts = z.array(countOrZero).nonempty();

const allocationSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("cyclic") }),
  z.strictObject({ kind: z.literal("sections"), sections: axisCounts }),
  z.strictObject({ kind: z.literal("interleaved-sections"), sections: axisCounts }),
  z.strictObject({ kind: z.literal("per-axis") }),
  z.strictObject({ kind: z.literal("per-head"), heads: axisCounts }),
]);

const modelSchema = z.strictObject({
  numLayers: count,
  modelDim: count,
  numHeads: count,
  numKvHeads: count.optional(),
  headDim: count.optional(),
  mlpDim: count.optional(),
  mlp: z.enum(["gelu", "gelu-tanh", "swiglu", "relu2"]).optional(),
  norm: z.enum(["rmsnorm", "layernorm"]).optional(),
  normEps: positive.optional(),
  qkNorm: z.boolean().optional(),
  tiedHead: z.boolean().optional(),
  position: z.enum(positionKinds).optional(),
  ropeBase: z.number().gt(1).optional(),
  ropePairing: z.enum(rotaryPairings).optional(),
  ropeScaling: ropeScalingSchema.nullable().optional(),
  rotaryDim: count.optional(),
  allocation: allocationSchema.optional(),
  maxLength: count.optional(),
  initStd: positive.optional(),
  /** By default as many ids as the tokenizer has. */
  vocabSize: count.optional(),
});

const dataSchema = z.strictObject({
  source: z.union([z.string(), z.array(z.string()).nonempty()]).default("books"),
  format: z.enum(["text", "jsonl"]).optional(),
  field: z.string().optional(),
  tokenizer: z.union([z.string(), z.strictObject({ bpe: z.number().int().min(257) })]).default("bytes"),
  validationFraction: z.number().gt(0).lt(1).default(0.05),
  seed: z.number().int().default(0),
});

const matrixKinds = z.array(z.enum(["matrix", "embedding", "head"])).nonempty();

const decayOptions = {
  strength: z.number().nonnegative(),
  /** Multiplied by the schedule only, not by its peak. */
  independent: z.boolean().optional(),
};

/** Decay of matrices, decoupled from the direction. */
const matrixDecaySchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("frobenius"), ...decayOptions, cautious: z.boolean().optional() }),
  z.strictObject({
    kind: z.literal("spectral"),
    ...decayOptions,
    steps: count.optional(),
    start: z.enum(["warm", "ones"]).optional(),
  }),
  z.strictObject({
    kind: z.literal("top-k"),
    ...decayOptions,
    k: count,
    steps: count.optional(),
    start: z.enum(["warm", "ones"]).optional(),
  }),
  z.strictObject({
    kind: z.literal("schatten"),
    ...decayOptions,
    p: count.optional(),
    normalized: z.boolean().optional(),
  }),
]);

const commonOptions = {
  learningRate: learningRate.optional(),
  weightDecay: z.number().nonnegative().optional(),
  matrixDecay: matrixDecaySchema.optional(),
};
const adamOptions = {
  b1: fraction.optional(),
  b2: fraction.optional(),
  eps: z.number().nonnegative().optional(),
  epsRoot: z.number().nonnegative().optional(),
};
const momentum = fraction.optional();

function optimizerKind<Kind extends string, Shape extends z.ZodRawShape>(kind: Kind, options: Shape) {
  return z.strictObject({
    kind: z.literal(kind),
    ...commonOptions,
    /** Which matrices `matrixDecay` acts on; by default the hidden ones. */
    decayed: matrixKinds.optional(),
    ...options,
  });
}

/** For embeddings, head, norms and biases. */
const otherSchema = z.strictObject({
  learningRate: learningRate.optional(),
  weightDecay: z.number().nonnegative().optional(),
  ...adamOptions,
});

const optimizerSchema = z.discriminatedUnion("kind", [
  optimizerKind("sgd", { momentum, nesterov: z.boolean().optional() }),
  optimizerKind("signum", { momentum, eps: z.number().nonnegative().optional() }),
  optimizerKind("rmsprop", {
    decay: fraction.optional(),
    eps: z.number().nonnegative().optional(),
    epsRoot: z.number().nonnegative().optional(),
    centered: z.boolean().optional(),
    momentum,
  }),
  optimizerKind("adam", adamOptions),
  optimizerKind("adamw", adamOptions),
  optimizerKind("adabelief", adamOptions),
  optimizerKind("lion", { b1: fraction.optional(), b2: fraction.optional() }),
  optimizerKind("tiger", { momentum }),
  optimizerKind("pbsgd", { power: z.number().min(0).max(1).optional(), momentum }),
  z.strictObject({
    kind: z.literal("muon"),
    ...commonOptions,
    momentum,
    nesterov: z.boolean().optional(),
    steps: countOrZero.optional(),
    scale: z.enum(["none", "keller-jordan", "spectral", "match-adamw-rms"]).optional(),
    coefficients: z
      .union([
        z.enum(Object.keys(coefficientTables) as [CoefficientTableName]),
        coefficientTableSchema.shape.steps,
        coefficientTableSchema,
      ])
      .optional(),
    adamw: otherSchema.optional(),
  }),
  z.strictObject({
    kind: z.literal("shampoo"),
    ...commonOptions,
    momentum,
    b2: fraction.nullable().optional(),
    eps: z.number().gt(0).lt(1).optional(),
    adamw: otherSchema.optional(),
  }),
]);

const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({
    kind: z.literal("warmup-cosine"),
    warmupSteps: countOrZero.default(0),
    finalFraction: z.number().min(0).max(1).optional(),
  }),
  z.strictObject({
    kind: z.literal("warmup-stable-decay"),
    warmupSteps: countOrZero.default(0),
    decaySteps: countOrZero,
    finalFraction: z.number().min(0).max(1).optional(),
    shape: z.enum(["linear", "sqrt"]).optional(),
  }),
]);

/** Options of training that every task has. */
const training = {
  steps: count,
  /** Batches per step: their mean gradient makes one update. */
  accumulate: count.default(1),
  /** Largest global norm of the gradient; null for no clipping. */
  clipNorm: positive.nullable().default(1),
  /** Decay of an average of the parameters, kept beside them; null for none. */
  emaDecay: fraction.nullable().default(null),
  /** Evaluate, and sample from, the average instead of the parameters. */
  evaluateAverage: z.boolean().default(false),
  seed: z.number().int().default(0),
  /** Steps between evaluations; 0 for only at the end. */
  evalEvery: countOrZero.default(0),
  /** Steps between checkpoints; 0 for only at the end. */
  checkpointEvery: countOrZero.default(0),
  keepCheckpoints: count.default(2),
  /** Steps between spectra of all matrices; 0 for none. */
  spectraEvery: countOrZero.default(0),
  /** Steps between printed lines and entries of the log. */
  logEvery: count.default(10),
  /** Threads of one operator; by default all cores. */
  threads: count.optional(),
};

const languageTrainingSchema = z.strictObject({
  ...training,
  /** Sequences per batch. */
  batchSize: count,
  /** Tokens per sequence. */
  length: count,
  evalBatches: count.default(8),
  /** Steps between samples of text; 0 for only at the end. */
  sampleEvery: countOrZero.default(0),
  sampleTokens: countOrZero.default(64),
  samplePrompt: z.string().default("The "),
  /** Steps between measurements of the gradient noise scale; 0 for none. */
  noiseScaleEvery: countOrZero.default(0),
});

const autoencoderTrainingSchema = z.strictObject({
  ...training,
  /** Images per batch. */
  batchSize: count,
  /** Validation images that are evaluated; by default all. */
  evalImages: count.optional(),
  /** A code is dead when it wasn't hit in so many steps; usage is the share of the others. */
  usageWindow: count.default(100),
});

const expectedLossSchema = z.strictObject({
  /** Final validation loss in the task's unit: mean over seeds, and three standard deviations. */
  mean: positive,
  spread: positive,
  seeds: count,
});

/** Sections that every task has. */
const shared = {
  name: z.string().min(1).default("run"),
  optimizer: optimizerSchema,
  schedule: scheduleSchema.default({ kind: "constant" }),
  /** What this configuration should reach; null if nobody measured it. */
  expectedLoss: expectedLossSchema.nullable().default(null),
};

/** A decoder-only transformer that predicts tokens. Losses are in nats per token. */
export const languageConfigSchema = z.strictObject({
  task: z.literal("language").default("language"),
  ...shared,
  model: modelSchema,
  data: dataSchema.prefault({}),
  training: languageTrainingSchema,
});

/** An autoencoder of images with a quantizer. Losses are mean squared errors of pixels from 0 to 1. */
export const autoencoderConfigSchema = z.strictObject({
  task: z.literal("autoencoder"),
  ...shared,
  model: autoencoderModelSchema,
  quantizer: quantizerSchema,
  data: imageDataSchema.prefault({}),
  training: autoencoderTrainingSchema,
});

/** A decoder-only transformer that predicts the codes that an autoencoder gives to images. Losses are in nats per code. */
export const codesConfigSchema = z.strictObject({
  task: z.literal("codes"),
  ...shared,
  model: modelSchema.omit({ vocabSize: true, maxLength: true }).extend({
    /** Where the vectors of an image lie, for position rope: flat is one after the other, others have rows and columns. */
    layout: z.enum(layoutNames).default("flat"),
  }),
  data: z.strictObject({
    /** The autoencoder's run: id, beginning of an id, name, or latest. A run that has begun keeps the id. */
    run: z.string(),
    /** Step of its checkpoint; by default the newest. */
    checkpoint: countOrZero.optional(),
    /** A code file of that checkpoint; by default the codes of the images that the run was trained and validated on. */
    file: z.string().optional(),
    /** Share of the file's images that is kept for validation. */
    validationFraction: z.number().gt(0).lt(1).default(0.1),
    seed: z.number().int().default(0),
  }),
  training: z.strictObject({
    ...training,
    /** Images per batch. */
    batchSize: count,
    /** Validation images that are evaluated; by default all. */
    evalImages: count.optional(),
    /** Images that are drawn at each evaluation; 0 for none. */
    sampleImages: countOrZero.default(40),
  }),
});

const schemas = {
  language: languageConfigSchema,
  autoencoder: autoencoderConfigSchema,
  codes: codesConfigSchema,
} as const;

/** Names of the tasks. */
export type TaskName = keyof typeof schemas;

/** Configurations with every default filled in but those of the model and the optimizer, which depend on other options. */
export type LanguageConfig = z.infer<typeof languageConfigSchema>;
export type AutoencoderConfig = z.infer<typeof autoencoderConfigSchema>;
export type CodesConfig = z.infer<typeof codesConfigSchema>;
export type TrainConfig = LanguageConfig | AutoencoderConfig | CodesConfig;

type PlainObject = Record<string, unknown>;

function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `over` laid over `base`; a different `kind` replaces a section instead of mixing options of two kinds. */
function merge(base: unknown, over: unknown): unknown {
  if (!isPlainObject(base) || !isPlainObject(over)) return over;
  if (over.kind !== undefined && base.kind !== undefined && over.kind !== base.kind) return over;
  const result: PlainObject = { ...base };
  for (const [key, value] of Object.entries(over))
    result[key] = key in base ? merge(base[key], value) : value;
  return result;
}

/** One line for the first problem that the schema found. */
function describeIssue(schema: z.ZodObject, issue: z.core.$ZodIssue, value: unknown): string {
  const where = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    const known = knownKeys(schema, issue.path, value);
    const guess = nearest(key, known);
    const place = where === "" ? key : `${where}.${key}`;
    return `${place}: unknown key; ${guess === null ? `expected one of ${known.join(", ")}` : `did you mean ${guess}?`}`;
  }
  let actual: unknown = value;
  for (const key of issue.path) actual = (actual as PlainObject | undefined)?.[key as string];
  if (issue.code === "invalid_union" && "note" in issue) {
    return `${where} ${JSON.stringify(actual)}: expected one of ${objectsAt(schema, issue.path.slice(0, -1), null).map(kindOf).join(", ")}`;
  }
  if (issue.code === "invalid_union") return `${where} ${JSON.stringify(actual)}: ${expectedOfUnion(issue)}`;
  const shown = actual === undefined ? "is missing" : JSON.stringify(actual);
  return `${where} ${shown}: ${issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "")}`;
}

function expectedOfUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  const messages = issue.errors.map(([first]) => first?.message.replace(/^Invalid input: /, "") ?? "");
  return [...new Set(messages)].join(", or ");
}

/** A schema without what wraps it (optional, default, …), as its alternatives if it is a union. */
function alternatives(schema: z.core.$ZodType): z.core.$ZodType[] {
  let inner = schema;
  while ("innerType" in inner._zod.def) inner = inner._zod.def.innerType as z.core.$ZodType;
  return inner instanceof z.ZodUnion ? inner.options.flatMap(alternatives) : [inner];
}

/** What may stand under a key of an object, or at a place of a list. */
function inside(schema: z.core.$ZodType, key: PropertyKey): z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return alternatives(schema.element);
  return schema instanceof z.ZodObject && key in schema.shape
    ? alternatives(schema.shape[key as string]!)
    : [];
}

/** The objects that may stand at a path; of alternatives with a `kind`, the one that the value says, if it says one. */
function objectsAt(schema: z.ZodObject, at: readonly PropertyKey[], value: unknown): z.ZodObject[] {
  const objects = (schemas: readonly z.core.$ZodType[], own: unknown) => {
    const all = schemas.filter((schema) => schema instanceof z.ZodObject);
    const chosen = all.filter((schema) => isPlainObject(own) && kindOf(schema) === own.kind);
    return chosen.length > 0 ? chosen : all;
  };
  let current: readonly z.core.$ZodType[] = objects([schema], value);
  let own = value;
  for (const key of at) {
    own = (own as PlainObject | undefined)?.[key as string];
    const below = current.flatMap((each) => inside(each, key));
    const lists = below.filter((each) => each instanceof z.ZodArray);
    current = [...(Array.isArray(own) ? lists : []), ...objects(below, own)];
  }
  return objects(current, own);
}

function kindOf(schema: z.ZodObject): unknown {
  const { kind } = schema.shape;
  return kind instanceof z.ZodLiteral ? kind.value : undefined;
}

function knownKeys(schema: z.ZodObject, at: readonly PropertyKey[], value: unknown): string[] {
  return [...new Set(objectsAt(schema, at, value).flatMap(({ shape }) => Object.keys(shape)))];
}

const rotaryKeys = ["ropeBase", "ropePairing", "ropeScaling", "rotaryDim", "allocation"] as const;

/** Choices of rotary positions, for models with others: they would change nothing. @throws ConfigError */
function checkRotaryKeys(config: TrainConfig): void {
  if (config.task === "autoencoder") return;
  const { position = "rope" } = config.model;
  if (position === "rope") return;
  for (const key of rotaryKeys) {
    if (config.model[key] !== undefined && config.model[key] !== null) {
      throw new ConfigError(`config: model.${key}: has no effect with position ${position}; expected rope`);
    }
  }
}

/** Choices between axes, for models whose positions have one: they would change nothing. @throws ConfigError */
function checkAxes(config: TrainConfig): void {
  if (config.task === "autoencoder") return;
  const { ropePairing, allocation } = config.model;
  if (config.task === "codes" && layouts[config.model.layout].axes.length > 1) return;
  const why = config.task === "codes" ? `layout ${config.model.layout} has` : "positions of text have";
  if (ropePairing === "half-per-axis") {
    throw new ConfigError(
      `config: model.ropePairing half-per-axis: ${why} one axis; expected half or interleaved`,
    );
  }
  if (allocation !== undefined && allocation.kind !== "cyclic" && allocation.kind !== "per-head") {
    throw new ConfigError(
      `config: model.allocation ${allocation.kind}: ${why} one axis; expected cyclic or per-head`,
    );
  }
}

/** What a schema of single options doesn't see. @throws ConfigError */
function checkTogether(config: TrainConfig): void {
  checkRotaryKeys(config);
  checkAxes(config);
  const { optimizer, training } = config;
  if (training.evaluateAverage && training.emaDecay === null)
    throw new ConfigError("config: training.evaluateAverage true: expected training.emaDecay as well");
  if (
    "noiseScaleEvery" in training &&
    training.noiseScaleEvery > 0 &&
    training.batchSize * training.accumulate < 2
  )
    throw new ConfigError("config: training.noiseScaleEvery: expected two sequences a step or more");
  if ("decayed" in optimizer && optimizer.decayed !== undefined && optimizer.matrixDecay === undefined)
    throw new ConfigError("config: optimizer.decayed: expected optimizer.matrixDecay as well");
  if (optimizer.matrixDecay?.independent === true && optimizer.learningRate === 0)
    throw new ConfigError("config: optimizer.matrixDecay.independent: expected a learning rate above 0");
}

/**
 * Checks a configuration and fills in defaults.
 *
 * @throws ConfigError naming the first key that is wrong, its value and what is allowed
 */
export function parseConfig(value: unknown): TrainConfig {
  const task = isPlainObject(value) && value.task !== undefined ? value.task : "language";
  if (typeof task !== "string" || !Object.hasOwn(schemas, task))
    throw new ConfigError(
      `config: task ${JSON.stringify(task)}: expected one of ${Object.keys(schemas).join(", ")}`,
    );
  const schema = schemas[task as TaskName];
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    throw new ConfigError(`config: ${describeIssue(schema, parsed.error.issues[0]!, value)}`);
  checkTogether(parsed.data);
  checkCoefficients(parsed.data);
  return parsed.data;
}

/** {@link parseConfig} for those who can only use a language model. @throws ConfigError also for other tasks */
export function parseLanguageConfig(value: unknown): LanguageConfig {
  const config = parseConfig(value);
  if (config.task !== "language") {
    throw new ConfigError(`config "${config.name}": task ${config.task}: expected a language model here`);
  }
  return config;
}

/** {@link parseConfig} for those who can only use an autoencoder. @throws ConfigError also for other tasks */
export function parseAutoencoderConfig(value: unknown): AutoencoderConfig {
  const config = parseConfig(value);
  if (config.task !== "autoencoder") {
    throw new ConfigError(`config "${config.name}": task ${config.task}: expected an autoencoder here`);
  }
  return config;
}

/** Muon's default. */
const defaultSteps = 5;

function checkCoefficients({ optimizer }: TrainConfig): void {
  if (optimizer.kind !== "muon" || optimizer.coefficients === undefined) return;
  const table = coefficientTable(optimizer.coefficients);
  const problem = coefficientsProblem(table, optimizer.steps ?? defaultSteps);
  if (problem !== null) throw new ConfigError(`config: optimizer.coefficients: ${problem}`);
}

/**
 * Puts the table of a file in place of the file's path, so that a run depends on its configuration alone. The number of steps is
 * the table's if the configuration doesn't say it.
 */
function withCoefficients(config: unknown): unknown {
  if (!isPlainObject(config) || !isPlainObject(config.optimizer)) return config;
  const { optimizer } = config;
  const file = optimizer.coefficients;
  if (typeof file !== "string" || Object.hasOwn(coefficientTables, file)) return config;
  const table = readCoefficientsFile(file, "config: optimizer.coefficients");
  return { ...config, optimizer: { steps: table.steps.length, ...optimizer, coefficients: table } };
}

/** Reads a configuration as plain data: a preset's name, a YAML file, or a module whose default export it is. */
async function readConfig(reference: string): Promise<unknown> {
  if (presetNames.includes(reference)) return presets[reference];
  const extension = path.extname(reference).toLowerCase();
  if (![".yaml", ".yml", ".json", ".ts", ".js", ".mjs"].includes(extension)) {
    throw new ConfigError(
      `config "${reference}": expected a preset (${presetNames.join(", ")}) or a .yaml, .json, .ts or .js file`,
    );
  }
  try {
    if (extension === ".yaml" || extension === ".yml" || extension === ".json") {
      return readYaml(readFileSync(reference, "utf8"), `config "${reference}"`);
    }
    const module = (await import(pathToFileURL(path.resolve(reference)).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const text = error instanceof Error ? error.message : `throws ${String(error)}`;
    const problem = existsSync(reference) ? text.split("\n")[0] : "no such file";
    throw new ConfigError(`config "${reference}": ${problem}`, { cause: error });
  }
}

/** What one `path=value` lays over a configuration; the value is read as YAML. */
function parseOverride(assignment: string): { readonly path: string; readonly over: unknown } {
  const split = assignment.indexOf("=");
  if (split < 1)
    throw new ConfigError(`--set ${assignment}: expected path=value, for example training.steps=100`);
  const path = assignment.slice(0, split);
  const keys = path.split(".");
  if (keys.includes("__proto__")) throw new ConfigError(`--set ${assignment}: unknown key __proto__`);
  const value = readYaml(assignment.slice(split + 1), `--set ${assignment}`);
  return { path, over: keys.reduceRight((inner: unknown, key) => ({ [key]: inner }), value) };
}

/** @throws ConfigError that begins with `what` */
function readYaml(text: string, what: string): unknown {
  const document = parseDocument(text);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined)
    throw new ConfigError(`${what}: ${problem.message.split("\n")[0]!.replace(/:$/, "")}`, {
      cause: problem,
    });
  return document.toJS();
}

/** Options that move a loss no further than another seed does. */
const neutral = /^(name|training\.(seed|threads|evalEvery|spectra|noiseScale|log|sample|checkpoint|keep))/;

/** Whether what a configuration should reach was measured for another one. */
function isChanged(config: TrainConfig, measured: unknown): boolean {
  let resolved: TrainConfig;
  try {
    resolved = parseConfig(withCoefficients(measured));
  } catch (error) {
    if (error instanceof ConfigError) return true;
    throw error;
  }
  return configDifferences(config, resolved).some(
    ({ path }) => !neutral.test(path) && !path.startsWith("expectedLoss"),
  );
}

/**
 * Loads a configuration: a preset or a file (which may name a `preset` to start from), with `path=value` overrides. The expected loss of a
 * preset or a file is dropped if something else changes the result.
 *
 * @throws ConfigError
 */
export async function loadConfig(reference: string, overrides: readonly string[] = []): Promise<TrainConfig> {
  let config = await readConfig(reference);
  if (!isPlainObject(config)) throw new ConfigError(`config "${reference}": expected a mapping of sections`);
  let measured: unknown = config;
  if ("preset" in config) {
    const { preset, ...rest } = config;
    if (typeof preset !== "string" || !presetNames.includes(preset)) {
      throw new ConfigError(
        `config: preset ${JSON.stringify(preset)}: expected one of ${presetNames.join(", ")}`,
      );
    }
    config = merge(presets[preset], rest);
    measured = "expectedLoss" in rest ? config : presets[preset];
  }
  const parsed = overrides.map(parseOverride);
  // Another kind replaces a section, so it comes before the section's options, wherever it stands.
  const isKind = ({ path }: { readonly path: string }) => path.endsWith(".kind");
  for (const { over } of [...parsed.filter(isKind), ...parsed.filter((one) => !isKind(one))])
    config = merge(config, over);
  const result = parseConfig(withCoefficients(config));
  const isGiven = parsed.some(({ path }) => path.startsWith("expectedLoss"));
  if (result.expectedLoss === null || isGiven) return result;
  return isChanged(result, measured) ? { ...result, expectedLoss: null } : result;
}

/**
 * A configuration with options changed, by their paths: `{ "training.batchSize": 8 }`. A mapping with another `kind` replaces a section.
 * The expected loss is forgotten, as it was measured for the configuration before.
 *
 * @throws ConfigError
 */
export function overrideConfig<Config extends TrainConfig>(
  config: Config,
  values: Readonly<Record<string, unknown>>,
): Config {
  let changed: unknown = config;
  for (const [path, value] of Object.entries(values)) {
    changed = merge(
      changed,
      path.split(".").reduceRight((inner: unknown, key) => ({ [key]: inner }), value),
    );
  }
  const parsed = parseConfig(withCoefficients({ ...(changed as PlainObject), expectedLoss: null }));
  if (parsed.task !== config.task)
    throw new ConfigError(`config: task ${parsed.task}: expected ${config.task}, which can't be changed`);
  return parsed as Config;
}
