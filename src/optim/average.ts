import { tree } from "@jax-js/jax";
import { checkFraction } from "../numberChecks.ts";
import { type GradientTransformation, mapArrays, zerosLike } from "./gradientTransformation.ts";

/** `m ← b·m + (1 − b)·g`, without bias correction. State: `average`. */
export function average(b: number): GradientTransformation {
  checkFraction("b", b);
  return {
    init(params) {
      const zeros = zerosLike(params);
      tree.dispose(params);
      return { average: zeros };
    },
    update(updates, state, params) {
      tree.dispose(params);
      const next = mapArrays((m, g) => m.mul(b).add(g.mul(1 - b)), state.average, updates);
      return [tree.ref(next), { average: next }];
    },
  };
}
