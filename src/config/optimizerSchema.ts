import { z } from "zod";
import { type OptimizerName, type OptimizerTable, optimizerMethods } from "../optim/index.ts";
import type { OptionsOf } from "../options/index.ts";
import { matrixDecaySchema, matrixKinds } from "./matrixDecaySchema.ts";
import { shapeOf } from "./optionSchema.ts";

export type MatrixDecayConfig = z.infer<typeof matrixDecaySchema>;

type ConfigOf<Name extends OptimizerName> = Name extends OptimizerName
  ? {
      kind: Name;
      matrixDecay?: MatrixDecayConfig;
      /** Which matrices `matrixDecay` acts on; by default the hidden ones. Optimizers of hidden matrices don't have it. */
      decayed?: z.infer<typeof matrixKinds>;
    } & OptionsOf<OptimizerTable<Name>>
  : never;

/** The section `optimizer` of a configuration: a kind, its options, and decay of matrices. */
export type OptimizerConfig = ConfigOf<OptimizerName>;

const optimizers = Object.entries(optimizerMethods).map(([kind, { rule, options }]) =>
  z.strictObject({
    kind: z.literal(kind),
    ...shapeOf(options),
    matrixDecay: matrixDecaySchema.exactOptional(),
    ...(rule === null ? { decayed: matrixKinds.exactOptional() } : {}),
  }),
);

export const optimizerSchema = z.discriminatedUnion(
  "kind",
  optimizers as unknown as [z.ZodObject],
) as unknown as z.ZodType<OptimizerConfig, OptimizerConfig>;
