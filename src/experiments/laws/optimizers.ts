import { numpy as np, tree } from "@jax-js/jax";
import {
  type GradientTransformation,
  identity,
  mapArrays,
  muonRule,
  orthogonalize,
  partition,
  scaleByAdam,
  scaleByMuon,
  scaleBySign,
  scaleBySoftsign,
  stateless,
  type Tree,
} from "../../optim/index.ts";

/** An optimizer whose best learning rate is measured and predicted. */
export type LawOptimizer =
  | { readonly kind: "sgd" | "sign" | "muon" }
  | { readonly kind: "adam" | "softsign"; readonly epsilon: number };

/** `softsign, ε 0.01` */
export function optimizerName(optimizer: LawOptimizer): string {
  const names = { sgd: "SGD", sign: "sign", muon: "Muon", adam: "Adam", softsign: "softsign" } as const;
  const name = names[optimizer.kind];
  return "epsilon" in optimizer ? `${name}, ε ${optimizer.epsilon}` : name;
}

/** Decay of the second moment of Adam. */
export const adamB2 = 0.999;
/** With this scale one learning rate serves the matrices and the other parameters. */
const muonMatrixScale = "match-adamw-rms";

/**
 * Updates of training runs, for a learning rate of 1 and with the opposite sign:
 *
 * - SGD, sign, softsign: of the batch's gradient, without momentum
 * - Adam: b1 0.9, b2 0.999
 * - Muon: momentum 0.95 (Nesterov) with scale `match-adamw-rms` for hidden matrices, Adam (0.9, 0.95, 1e-10) for the others
 */
export function runUpdates(optimizer: LawOptimizer): GradientTransformation {
  switch (optimizer.kind) {
    case "sgd":
      return identity();
    case "sign":
      return scaleBySign();
    case "softsign":
      return scaleBySoftsign(optimizer.epsilon);
    case "adam":
      return scaleByAdam({ b2: adamB2, eps: optimizer.epsilon });
    case "muon":
      return partition(muonRule, {
        muon: scaleByMuon({ scale: muonMatrixScale }),
        adamw: scaleByAdam({ b2: 0.95, eps: 1e-10 }),
      });
  }
}

/**
 * The direction φ̃ of one step from the gradient of one batch of size B, for the law: nothing else in it is random.
 *
 * - SGD, sign, softsign: as in training runs
 * - Adam: `g̃/(√v + ε)` with `v = 0.999·(g² + σ²/B) + 0.001·g̃²`, what it has after many steps here; without momentum
 * - Muon: `msign` of hidden matrices, the sign of the others; without momentum
 *
 * @returns `(gradient, secondMoment) => φ̃`; consumes both
 */
export function stepDirection(optimizer: LawOptimizer): (gradient: Tree, secondMoment: Tree) => Tree {
  if (optimizer.kind === "adam") {
    return (gradient, secondMoment) =>
      mapArrays(
        (g, v) => {
          const root = np.sqrt(v.mul(adamB2).add(np.square(g.ref).mul(1 - adamB2)));
          return g.div(root.add(optimizer.epsilon));
        },
        gradient,
        secondMoment,
      );
  }
  const stage =
    optimizer.kind === "muon"
      ? partition(muonRule, {
          muon: stateless((gradient, params) => {
            tree.dispose(params);
            return orthogonalize(gradient, { scale: muonMatrixScale });
          }),
          adamw: scaleBySign(),
        })
      : runUpdates(optimizer);
  return (gradient, secondMoment) => {
    tree.dispose(secondMoment);
    // None of these looks at the parameters or has a state; the gradient has their shapes.
    const [update] = stage.update(tree.ref(gradient), stage.init(tree.ref(gradient)), gradient);
    return update;
  };
}
