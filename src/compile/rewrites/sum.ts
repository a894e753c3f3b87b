import type { SumRewrite } from "./rewrite.ts";

/** `X + A B` becomes the third operand of a Gemm: residual streams, and gradients that arrive over several paths. */
export const sum: SumRewrite = {
  kind: "sum",
  takes: ({ op, inputs }) => op === "Gemm" && inputs.length === 2,
  operandsFrom: (base, operands) => [...operands, base],
};
