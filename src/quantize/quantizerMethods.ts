import { fsqMethod } from "./finiteScalarQuantizer.ts";
import { lfqMethod } from "./lookupFreeQuantizer.ts";
import { productCombination } from "./productQuantizer.ts";
import type { QuantizerCombination, QuantizerMethod } from "./quantizerMethod.ts";
import { residualCombination } from "./residualQuantizer.ts";
import { simVqMethod } from "./simVq.ts";
import { vqMethod } from "./vectorQuantizer.ts";

/** The quantizers that a configuration may choose by `kind`, alone or as layers and parts. */
export const quantizerMethods = {
  vq: vqMethod,
  simvq: simVqMethod,
  fsq: fsqMethod,
  lfq: lfqMethod,
} as const satisfies Record<string, QuantizerMethod>;

/** Name of a quantizer. */
export type QuantizerName = keyof typeof quantizerMethods;

/** What a configuration may put them together by. */
export const quantizerCombinations = {
  residual: residualCombination,
  product: productCombination,
} as const satisfies Record<string, QuantizerCombination>;

/** Name of a combination. */
export type QuantizerCombinationName = keyof typeof quantizerCombinations;

/** Options of a quantizer or a combination, as a configuration has them. */
export type QuantizerTable<Name extends QuantizerName | QuantizerCombinationName> = (typeof quantizerMethods &
  typeof quantizerCombinations)[Name]["options"];
