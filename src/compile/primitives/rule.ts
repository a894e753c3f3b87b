import type { Equation } from "../jaxpr.ts";
import type { Lowering } from "../lowering.ts";
import type { Value } from "../value.ts";

/** How one primitive of jax-js becomes ONNX nodes. */
export interface PrimitiveRule {
  /** `"all"`, or in words which uses are lowered; shown in the table of primitives. */
  readonly support: string;
  /** The ONNX operators it becomes; shown in the table of primitives. */
  readonly operators: string;
  lower(lowering: Lowering, inputs: readonly Value[], equation: Equation): readonly Value[];
}

export type PrimitiveRules = Readonly<Record<string, PrimitiveRule>>;
