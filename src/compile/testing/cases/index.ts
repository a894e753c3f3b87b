import type { PrimitiveCase } from "../primitiveCase.ts";
import { arithmeticCases } from "./arithmetic.ts";
import { bitCases } from "./bits.ts";
import { convolutionCases } from "./convolution.ts";
import { indexingCases } from "./indexing.ts";
import { movementCases } from "./movement.ts";
import { reductionCases } from "./reduction.ts";
import { routineCases } from "./routines.ts";

/** Uses of all primitives, whatever they run on. */
export const primitiveCases: readonly PrimitiveCase[] = [
  ...arithmeticCases,
  ...bitCases,
  ...movementCases,
  ...reductionCases,
  ...indexingCases,
  ...convolutionCases,
  ...routineCases,
];
