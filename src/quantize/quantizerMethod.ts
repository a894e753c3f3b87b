import type { OptionsOf, OptionTable } from "../options/index.ts";
import type { Quantizer } from "./quantizer.ts";

/** What the documentation says of a quantizer. */
interface Described {
  /** The function's name. */
  readonly name: string;
  /** What codes are, for the table of the documentation. */
  readonly codes: string;
  /** What is trained, and how. */
  readonly trained: string;
}

/**
 * A quantizer of one code per vector in one piece: what configurations, training and the documentation know of it. A new one is a file
 * with this row in it, a name in `quantizerMethods`, and the rows of the tests whose types ask for it.
 */
export interface QuantizerMethod<Table extends OptionTable = OptionTable> extends Described {
  /** Options with defaults and ranges; a configuration's schema comes from them. */
  readonly options: Table;
  readonly make: (options: never) => Quantizer;
  /** Codes that every vector is compared with; 0 where its code is computed. */
  numSearched(options: OptionsOf<Table>): number;
  /** Whether it is a {@link VectorQuantizer}: first codes by k-means, and vectors in the place of dead ones. */
  readonly hasCodebook: boolean;
}

/** A row, with the types of its options. */
export const quantizerMethod = <const HasCodebook extends boolean, Table extends OptionTable>(
  method: QuantizerMethod<Table> & { readonly hasCodebook: HasCodebook },
) => method;

/** Quantizers of one code put together, in one piece likewise. */
export interface QuantizerCombination<Table extends OptionTable = OptionTable> extends Described {
  readonly options: Table;
  /** The key of a configuration that its quantizers are listed under. */
  readonly list: string;
  readonly make: (parts: readonly Quantizer[], options: never) => Quantizer;
  /** Whether each part sees only its own components of a vector, or all of them. */
  readonly divides: boolean;
}

/** Such a row, with the types of its options. */
export const quantizerCombination = <const List extends string, Table extends OptionTable>(
  combination: QuantizerCombination<Table> & { readonly list: List },
) => combination;
