import { z } from "zod";
import type { OptionsOf } from "../options/index.ts";
import {
  type QuantizerCombination,
  type QuantizerCombinationName,
  type QuantizerMethod,
  type QuantizerName,
  type QuantizerTable,
  quantizerCombinations,
  quantizerMethods,
} from "../quantize/index.ts";
import { count, positive } from "./numbers.ts";
import { shapeOf } from "./optionSchema.ts";

/** What training does with a table of codes. */
const codebook = {
  /** First codes: drawn, or by k-means of what the first encoder makes of training images. Default random. */
  initialization: z.enum(["random", "k-means"]),
  /** Codes with fewer hits per step, as a moving average, are replaced by vectors of the step; null for never, the default. */
  restartBelow: positive.nullable(),
};

interface CodebookOptions {
  initialization: "random" | "k-means";
  restartBelow: number | null;
}

type CodebookName = {
  [Name in QuantizerName]: (typeof quantizerMethods)[Name]["hasCodebook"] extends true ? Name : never;
}[QuantizerName];

type ConfigOf<Name, Codebook> = Name extends QuantizerName
  ? { kind: Name } & OptionsOf<QuantizerTable<Name>> & (Name extends CodebookName ? Codebook : unknown)
  : never;

/** A quantizer of one code per vector, with the options of the library's function; `dim` is the size of a latent vector. */
export type QuantizerPartConfig = ConfigOf<QuantizerName, Partial<CodebookOptions>>;

type CombinationConfig<Name> = Name extends QuantizerCombinationName
  ? { kind: Name } & OptionsOf<QuantizerTable<Name>> &
      Record<(typeof quantizerCombinations)[Name]["list"], QuantizerPartConfig[]>
  : never;

/** The section `quantizer` of a configuration. */
export type QuantizerConfig =
  | ConfigOf<QuantizerName, CodebookOptions>
  | CombinationConfig<QuantizerCombinationName>
  | { kind: "none"; dim: number };

type CodebookSchemas = { readonly [Name in keyof typeof codebook]: z.ZodType };

const schemaOf = ([kind, { options, hasCodebook }]: [string, QuantizerMethod], ofCodebook: CodebookSchemas) =>
  z.strictObject({ kind: z.literal(kind), ...shapeOf(options), ...(hasCodebook ? ofCodebook : {}) });

const methods = Object.entries<QuantizerMethod>(quantizerMethods);

const parts = methods.map((method) =>
  schemaOf(method, {
    initialization: codebook.initialization.exactOptional(),
    restartBelow: codebook.restartBelow.exactOptional(),
  }),
);
const partSchema = z.discriminatedUnion("kind", parts as unknown as [z.ZodObject]);

const whole = methods.map((method) =>
  schemaOf(method, {
    initialization: codebook.initialization.default("random"),
    restartBelow: codebook.restartBelow.default(null),
  }),
);

const combinations = Object.entries<QuantizerCombination>(quantizerCombinations).map(
  ([kind, { options, list }]) =>
    z.strictObject({ kind: z.literal(kind), [list]: z.array(partSchema).min(2), ...shapeOf(options) }),
);

/** No quantizer: an autoencoder of real numbers, to compare with. */
const none = z.strictObject({ kind: z.literal("none"), dim: count });

export const quantizerSchema = z.discriminatedUnion("kind", [...whole, ...combinations, none] as unknown as [
  z.ZodObject,
]) as unknown as z.ZodType<QuantizerConfig, QuantizerConfig>;
