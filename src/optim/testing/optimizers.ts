import {
  accumulate,
  adabelief,
  adam,
  adamuon,
  adamw,
  adopt,
  chain,
  clipBySpectralNorm,
  clipByValue,
  dion,
  exponentialMovingAverage,
  type GradientTransformation,
  lion,
  muon,
  muonClip,
  normuon,
  type OptimizerName,
  pbsgd,
  rmsprop,
  scheduleFreeAdamw,
  sgd,
  shampoo,
  signum,
  soap,
  tiger,
} from "../index.ts";

/** Every optimizer, with options that give it a state and use all its parts: a new one doesn't compile without. */
export const namedOptimizers: Readonly<Record<OptimizerName, GradientTransformation>> = {
  sgd: sgd({ learningRate: 0.05, momentum: 0.9, weightDecay: 0.1 }),
  signum: signum({ learningRate: 0.01, weightDecay: 0.1 }),
  rmsprop: rmsprop({ learningRate: 0.01, momentum: 0.5, weightDecay: 0.1 }),
  adam: adam({ learningRate: 0.03, weightDecay: 0.1 }),
  adamw: adamw({ learningRate: 0.03, epsRoot: 1e-4 }),
  adabelief: adabelief({ learningRate: 0.03, weightDecay: 0.1 }),
  lion: lion({ learningRate: 0.01 }),
  tiger: tiger({ learningRate: 0.02 }),
  pbsgd: pbsgd({ learningRate: 0.02, momentum: 0.5, weightDecay: 0.1 }),
  muon: muon({ learningRate: 0.02, weightDecay: 0.1 }),
  // A larger ridge needs fewer products.
  shampoo: shampoo({ learningRate: 0.02, weightDecay: 0.1, eps: 1e-2 }),
  adopt: adopt({ learningRate: 0.03, weightDecay: 0.1 }),
  soap: soap({ learningRate: 0.02, frequency: 2, eps: 1e-2 }),
  "schedule-free-adamw": scheduleFreeAdamw({ learningRate: 0.03, weightDecay: 0.1 }),
  normuon: normuon({ learningRate: 0.02, weightDecay: 0.1 }),
  adamuon: adamuon({ learningRate: 0.02 }),
  dion: dion({ learningRate: 0.02, rankFraction: 0.5 }),
  muonclip: muonClip({ learningRate: 0.02 }),
};

/** The same with other options, and what is chained with them. */
export const optimizers: Readonly<Record<string, GradientTransformation>> = {
  ...namedOptimizers,
  "sgd with nesterov": sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true }),
  "signum, softened": signum({ learningRate: 0.01, eps: 0.1 }),
  "rmsprop, centered": rmsprop({ learningRate: 0.01, centered: true, epsRoot: 1e-4 }),
  "muon, split": muon({
    split: (path, [rows = 0]) => ({ axis: 0, sizes: path === "tall" ? [1, rows - 1] : Array(rows).fill(1) }),
  }),
  "shampoo, averaged": shampoo({ learningRate: 0.01, b2: 0.9, eps: 1e-2 }),
  "adamw, cautious decay": adamw({
    learningRate: 0.03,
    matrixDecay: { kind: "frobenius", strength: 0.5, cautious: true },
  }),
  "muon, spectral decay": muon({
    matrixDecay: { kind: "spectral", strength: 0.5 },
    split: (path) => (path === "tall" ? { axis: 0, sizes: [2, 4] } : null),
  }),
  "lion, spectral decay from ones": lion({
    learningRate: 0.01,
    matrixDecay: { kind: "spectral", strength: 0.5, start: "ones", steps: 2 },
  }),
  "sgd, decay of two singular values": sgd({
    learningRate: 0.05,
    matrixDecay: { kind: "top-k", strength: 0.5, k: 2 },
  }),
  "rmsprop, Schatten decay": rmsprop({
    learningRate: 0.01,
    matrixDecay: { kind: "schatten", strength: 0.1, p: 6 },
  }),
  "sgd, clipped": chain(
    clipByValue(0.5),
    clipBySpectralNorm(0.3, { steps: 2 }),
    sgd({ learningRate: 0.1, momentum: 0.5 }),
  ),
  "adamw, accumulated": accumulate(2, adamw({ learningRate: 0.03 })),
  "adamw with an average": chain(adamw({ learningRate: 0.03 }), exponentialMovingAverage(0.9)),
};
