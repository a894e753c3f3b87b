import { convolutionRules } from "./convolution.ts";
import { elementwiseRules } from "./elementwise.ts";
import { indexingRules } from "./indexing.ts";
import { movementRules } from "./movement.ts";
import { randomRules } from "./random.ts";
import { reductionRules } from "./reduction.ts";
import { routineRules } from "./routines.ts";
import type { PrimitiveRule, PrimitiveRules } from "./rule.ts";

/** `jit` calls are inlined before lowering. */
const jit: PrimitiveRule = {
  support: "all",
  operators: "none (inlined)",
  lower() {
    throw new Error("internal: jit calls are inlined before lowering");
  },
};

/** The lowering rule of every primitive of jax-js. */
export const primitiveRules: PrimitiveRules = {
  ...elementwiseRules,
  ...movementRules,
  ...reductionRules,
  ...convolutionRules,
  ...indexingRules,
  ...randomRules,
  ...routineRules,
  jit,
};
