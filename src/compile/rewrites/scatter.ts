import { scalarConstant } from "./patterns.ts";
import type { SumRewrite } from "./rewrite.ts";

/** `X + scatter(0, …)` scatters into X: the gradient of a cross-entropy writes no second array of logits. */
export const scatter: SumRewrite = {
  kind: "sum",
  takes({ op, attributes, inputs }) {
    const filler = inputs[0]?.producer;
    return (
      op === "ScatterElements" &&
      attributes.reduction === "add" &&
      filler?.op === "Expand" &&
      scalarConstant(filler.inputs[0]) === 0
    );
  },
  operandsFrom: (base, operands) => [base, ...operands.slice(1)],
};
