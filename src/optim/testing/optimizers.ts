import {
  adabelief,
  adam,
  adamw,
  type GradientTransformation,
  lion,
  muon,
  pbsgd,
  rmsprop,
  sgd,
  shampoo,
  signum,
  tiger,
} from "../index.ts";

/** Every optimizer, with options that give it a state and use all its parts: a new one is one row. */
export const optimizers: Readonly<Record<string, GradientTransformation>> = {
  "sgd with momentum": sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 0.1 }),
  "sgd with nesterov": sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true }),
  signum: signum({ learningRate: 0.01, weightDecay: 0.1 }),
  "signum, softened": signum({ learningRate: 0.01, eps: 0.1 }),
  rmsprop: rmsprop({ learningRate: 0.01, momentum: 0.5, weightDecay: 0.1 }),
  "rmsprop, centered": rmsprop({ learningRate: 0.01, centered: true, epsRoot: 1e-4 }),
  adam: adam({ learningRate: 0.03, weightDecay: 0.1 }),
  adamw: adamw({ learningRate: 0.03, epsRoot: 1e-4 }),
  adabelief: adabelief({ learningRate: 0.03, weightDecay: 0.1 }),
  lion: lion({ learningRate: 0.01 }),
  tiger: tiger({ learningRate: 0.02 }),
  pbsgd: pbsgd({ learningRate: 0.02, momentum: 0.5, weightDecay: 0.1 }),
  muon: muon({ learningRate: 0.02, weightDecay: 0.1 }),
  "muon, split": muon({
    split: (path, [rows = 0]) => ({ axis: 0, sizes: path === "tall" ? [1, rows - 1] : Array(rows).fill(1) }),
  }),
  // A larger ridge needs fewer products.
  shampoo: shampoo({ learningRate: 0.02, weightDecay: 0.1, eps: 1e-2 }),
  "shampoo, averaged": shampoo({ learningRate: 0.01, b2: 0.9, eps: 1e-2 }),
};
