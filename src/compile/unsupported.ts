import { UnsupportedPrimitiveError } from "./errors.ts";
import type { Equation } from "./jaxpr.ts";

/** Prints operand types as in `float32[2,3], int32[]`. */
export function describeOperands(equation: Equation): string {
  return equation.inputs.map(({ aval }) => `${aval.dtype}[${aval.shape.join()}]`).join(", ");
}

export function unsupported(equation: Equation, advice: string): UnsupportedPrimitiveError {
  return new UnsupportedPrimitiveError(equation.primitive, describeOperands(equation), advice);
}
