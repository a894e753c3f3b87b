import { z } from "zod";
import { loraTargets } from "../nn/index.ts";
import { count, fraction, positive } from "./numbers.ts";

/** The section `lora` of a configuration. */
export const loraSchema = z.strictObject({
  /** `r`. Default 8 (PEFT). */
  rank: count.default(8),
  /** `α`: changes are multiplied by `α/r`. Default 8 (PEFT). */
  alpha: positive.default(8),
  /** Matrices of every block that are adapted. Default all (Dettmers et al., arXiv 2305.14314, section 4). */
  targets: z
    .array(z.enum(loraTargets))
    .nonempty()
    .default([...loraTargets]),
  /** Share of the inputs of changes that is left out in training. Default 0 (PEFT). */
  dropout: fraction.default(0),
  /** Multiply by `α/√r` instead. Default false (PEFT). */
  rsLora: z.boolean().default(false),
  /** Folder of an adapter of PEFT's that the changes begin with, by its whole path. */
  from: z.string().exactOptional(),
});

export type LoraConfig = z.infer<typeof loraSchema>;

/** A rule over parameters by their paths; of several that match one, later ones count. */
export const parameterRuleSchema = z.strictObject({
  /** Dotted path; `*` stands for one name, `**` for any number of them. */
  match: z.string().min(1),
  /** Whether they are trained. Default: all without LoRA, with it nothing but its changes. */
  train: z.boolean().exactOptional(),
  /** Factor on the learning rate. Default 1. */
  learningRateFactor: positive.exactOptional(),
  /** Whether the optimizer's `weightDecay` acts on them. Default: on arrays of two axes and more. */
  decays: z.boolean().exactOptional(),
});

export type ParameterRule = z.infer<typeof parameterRuleSchema>;
