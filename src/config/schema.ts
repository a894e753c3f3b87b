import { z } from "zod";
import { devices, precisions } from "../compile/index.ts";
import { exampleKinds, sourceFormats } from "../data/index.ts";
import { type LayoutName, layouts } from "../position/index.ts";
import { loraSchema, parameterRuleSchema } from "./adaptationSchema.ts";
import { autoencoderModelSchema, imageDataSchema } from "./autoencoderConfig.ts";
import { modelSchema } from "./modelSchema.ts";
import { count, countOrZero, fraction, positive, seed } from "./numbers.ts";
import { optimizerSchema } from "./optimizerSchema.ts";
import { quantizerSchema } from "./quantizerSchema.ts";
import { scheduleSchema } from "./scheduleSchema.ts";

const layoutNames = Object.keys(layouts) as [LayoutName];

const dataSchema = z.strictObject({
  source: z.union([z.string(), z.array(z.string()).nonempty()]).default("books"),
  format: z.enum(sourceFormats).exactOptional(),
  /** Field of JSONL, column of CSV and Parquet. */
  field: z.string().exactOptional(),
  /** Of a data set whose card names several. */
  subset: z.string().exactOptional(),
  /** Splits of a data set to train on and to validate on. */
  split: z.string().exactOptional(),
  validationSplit: z.string().exactOptional(),
  /** `"model"`: that of the model that training begins with. */
  tokenizer: z.union([z.string(), z.strictObject({ bpe: z.number().int().min(257) })]).default("bytes"),
  validationFraction: z.number().gt(0).lt(1).default(0.05),
  seed: seed.default(0),
  /** Rows are examples, of which assistants' turns or completions are learned; absent for texts, of which all is. */
  examples: z.enum(exampleKinds).exactOptional(),
  /** A chat template: a file of Jinja, or a tokenizer_config.json. Default: that of the model that training begins with. */
  chatTemplate: z.string().exactOptional(),
});

/** More than any machine has cores; each is a thread of the system. */
const mostThreads = 1024;

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
  seed: seed.default(0),
  /** Steps between evaluations; 0 for only at the end. */
  evalEvery: countOrZero.default(0),
  /** Steps between checkpoints; 0 for only at the end. */
  checkpointEvery: countOrZero.default(0),
  keepCheckpoints: count.default(2),
  /** Steps between spectra of all matrices; 0 for none. */
  spectraEvery: countOrZero.default(0),
  /** Steps between printed lines and entries of the log. */
  logEvery: count.default(10),
  /** Threads of one operator; by default, and at most, all cores of the machine. */
  threads: count.max(mostThreads).exactOptional(),
  /** Where to run: on the CPU, by default, or on a GPU through WebGPU. */
  device: z.enum(devices).exactOptional(),
  /** mixed: products of matrices in float16, all else in float32; default float32. */
  precision: z.enum(precisions).exactOptional(),
  /** Make activations again for the backward pass instead of keeping them: less memory, more time, the same results. */
  recompute: z.boolean().exactOptional(),
  /** Of mixed precision: what the loss is multiplied by at first, and steps without an overflow until that doubles. */
  lossScale: z
    .strictObject({ initial: positive.default(2 ** 16), growthInterval: count.default(2000) })
    .exactOptional(),
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
  evalImages: count.exactOptional(),
  /** A code is dead when it wasn't hit in so many steps; usage is the share of the others. */
  usageWindow: count.default(100),
});

const expectedLossSchema = z.strictObject({
  /** Final validation loss in the task's unit: mean over seeds, and three standard deviations. */
  mean: positive,
  spread: positive,
  seeds: count,
});

/** Where the parameters of a run come from, if it isn't from a random beginning. */
const startSchema = z.union([
  /** A checkpoint of another run: its whole id and the step. */
  z.strictObject({ run: z.string(), step: countOrZero, architecture: z.string().exactOptional() }),
  /** A folder of Hugging Face's format, by its whole path. */
  z.strictObject({ folder: z.string(), architecture: z.string() }),
]);

/** Sections that every task has. */
const shared = {
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^\P{Cc}*$/u, "expected no control characters")
    .default("run"),
  optimizer: optimizerSchema,
  schedule: scheduleSchema.default({ kind: "constant" }),
  /** What this configuration should reach; null if nobody measured it. */
  expectedLoss: expectedLossSchema.nullable().default(null),
  /** The checkpoint of another run whose whole state, optimizer and data cursor too, this one goes on with. */
  continues: z.strictObject({ run: z.string(), step: count }).exactOptional(),
};

/** How an imported model is sampled from by default, as its `generation_config.json` says. */
const generationSchema = z.strictObject({
  temperature: z.number().min(0).exactOptional(),
  topK: count.exactOptional(),
  topP: z.number().gt(0).lte(1).exactOptional(),
});

export type ImportedGeneration = Readonly<z.infer<typeof generationSchema>>;

/** A decoder-only transformer that predicts tokens. Losses are in nats per token. */
export const languageConfigSchema = z.strictObject({
  task: z.literal("language").default("language"),
  ...shared,
  model: modelSchema,
  data: dataSchema.prefault({}),
  training: languageTrainingSchema,
  /** The model that training begins with, and that `model` says again. */
  from: startSchema.exactOptional(),
  /** Low-rank changes of the blocks' matrices are trained; the model is frozen. */
  lora: loraSchema.exactOptional(),
  /** Which parameters are trained, and how fast, by their paths. */
  parameters: z.array(parameterRuleSchema).exactOptional(),
  /** Of runs that `rotor import` made: where the parameters come from. */
  imported: z
    .strictObject({
      format: z.enum(["huggingface", "rotor"]),
      architecture: z.string(),
      generation: generationSchema.exactOptional(),
      /** Whose optimizer's state came with them. */
      optimizer: z.literal("pytorch").exactOptional(),
    })
    .exactOptional(),
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
    checkpoint: countOrZero.exactOptional(),
    /** A code file of that checkpoint; by default the codes of the images that the run was trained and validated on. */
    file: z.string().exactOptional(),
    /** Share of the file's images that is kept for validation. */
    validationFraction: z.number().gt(0).lt(1).default(0.1),
    seed: seed.default(0),
  }),
  training: z.strictObject({
    ...training,
    /** Images per batch. */
    batchSize: count,
    /** Validation images that are evaluated; by default all. */
    evalImages: count.exactOptional(),
    /** Images that are drawn at each evaluation; 0 for none. */
    sampleImages: countOrZero.default(40),
  }),
});

/** A task of one's own, which a module or the program that trains hands over. Losses are in the task's unit. */
export const ownConfigSchema = z.strictObject({
  task: z.literal("own"),
  ...shared,
  /** The file of the task's module; absent where a program hands the task over. */
  module: z.string().min(1).exactOptional(),
  /** What the module is told. */
  options: z.record(z.string(), z.json()).default({}),
  training: z.strictObject({
    ...training,
    /** Examples per batch. */
    batchSize: count,
  }),
});

/** A schema for each task. */
export const schemas = {
  language: languageConfigSchema,
  autoencoder: autoencoderConfigSchema,
  codes: codesConfigSchema,
  own: ownConfigSchema,
} as const;

/** Names of the tasks. */
export type TaskName = keyof typeof schemas;

/** Configurations with every default filled in but those of the model and the optimizer, which depend on other options. */
export type LanguageConfig = z.infer<typeof languageConfigSchema>;
export type AutoencoderConfig = z.infer<typeof autoencoderConfigSchema>;
export type StartConfig = z.infer<typeof startSchema>;
export type CodesConfig = z.infer<typeof codesConfigSchema>;
export type OwnConfig = z.infer<typeof ownConfigSchema>;
export type TrainConfig = LanguageConfig | AutoencoderConfig | CodesConfig | OwnConfig;
