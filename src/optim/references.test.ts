import { describe, test } from "node:test";
import { jit, numpy as np } from "@jax-js/jax";
import {
  type AdaMuonOptions,
  adabelief,
  adam,
  adamuon,
  adamw,
  adopt,
  type DionOptions,
  dion,
  type GradientTransformation,
  lion,
  type MuonOptions,
  muon,
  muonClip,
  normuon,
  type OptimizerName,
  optimizerMethods,
  pbsgd,
  rmsprop,
  type SoapOptions,
  scheduleFreeAdamw,
  sgd,
  shampoo,
  signum,
  soap,
  tiger,
} from "./index.ts";
import { assertFollows, every, matrices, optimize, values } from "./testing/reference.ts";

const named = { learningRate: 0.03, b1: 0.8, b2: 0.95, eps: 1e-3, weightDecay: 0.1 };
const matrixMuon = (options: MuonOptions) => muon({ learningRate: 0.005, momentum: 0.9, ...options });
const shampooSum = { learningRate: 0.05, momentum: 0.5, weightDecay: 0.1 };
const scheduleFree = {
  learningRate: 0.02,
  b1: 0.8,
  b2: 0.95,
  eps: 1e-3,
  weightDecay: 0.1,
  averagePower: 0.5,
};
const adamuonOf = (options: AdaMuonOptions) =>
  adamuon({ learningRate: 0.01, momentum: 0.9, b2: 0.8, weightDecay: 0.1, ...options });
const soapOf = (options: SoapOptions) =>
  soap({ learningRate: 0.01, b1: 0.8, b2: 0.9, eps: 1e-2, weightDecay: 0, ...options });

/** Dion from the first bases of the reference instead of random ones. */
function dionFrom(options: DionOptions): GradientTransformation {
  const { init, update } = dion(options);
  return {
    update,
    init(params) {
      const state = init(params);
      const bases: Record<string, np.Array> = state.dion[0].basis;
      for (const [name, old] of Object.entries(bases)) {
        bases[name] = np.array(values(old.shape, 0.7)).reshape(old.shape);
        old.dispose();
      }
      return state;
    },
  };
}

/** Float32 against float64 over 100 steps of weights of order 1. */
const rounding = 2e-5;

type Row = [run: string, transformation: GradientTransformation, tolerance?: number];

/** 100 steps of other programs that each optimizer follows: a new one doesn't compile without. */
const rows: Readonly<Record<OptimizerName, readonly [Row, ...Row[]]>> = {
  sgd: [
    ["torch sgd", sgd({ learningRate: 0.05 })],
    ["torch sgd momentum", sgd({ learningRate: 0.05, momentum: 0.9 })],
    ["torch sgd nesterov", sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })],
    ["torch sgd weight decay", sgd({ learningRate: 0.05, momentum: 0.8, nesterov: true, weightDecay: 0.1 })],
  ],
  signum: [
    ["optax sign_sgd", signum({ learningRate: 0.003, momentum: 0 })],
    ["optax signum", signum({ learningRate: 0.003, momentum: 0.8 })],
    ["numpy softsign", signum({ learningRate: 0.01, momentum: 0.8, eps: 0.2 })],
  ],
  rmsprop: [
    ["torch rmsprop", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 1e-3, weightDecay: 0.1 })],
    ["torch rmsprop defaults", rmsprop()],
    ["torch rmsprop centered", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 0.1, centered: true })],
    ["torch rmsprop momentum", rmsprop({ learningRate: 0.002, decay: 0.9, eps: 1e-3, momentum: 0.8 })],
    ["optax rmsprop", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 0, epsRoot: 1e-2 })],
    [
      "optax rmsprop centered",
      rmsprop({ learningRate: 0.005, decay: 0.9, eps: 0, epsRoot: 1e-2, centered: true, momentum: 0.5 }),
    ],
  ],
  adam: [
    ["torch adam", adam(named)],
    ["torch adam defaults", adam()],
  ],
  adamw: [
    ["torch adamw", adamw(named)],
    ["torch adamw defaults", adamw()],
    ["torch adamw large eps", adamw({ learningRate: 0.03, eps: 0.5 })],
    ["torch adamw tiny eps", adamw({ learningRate: 0.03, eps: 1e-15 })],
    ["optax adamw", adamw(named)],
    ["optax adamw eps_root", adamw({ ...named, epsRoot: 0.05 })],
  ],
  adabelief: [
    ["optax adabelief", adabelief({ learningRate: 0.01, b1: 0.8, b2: 0.95, eps: 1e-2, epsRoot: 1e-3 })],
    ["optax adabelief defaults", adabelief()],
  ],
  lion: [
    ["optax lion", lion({ learningRate: 0.003, b1: 0.8, b2: 0.95, weightDecay: 0.1 })],
    ["optax lion defaults", lion()],
  ],
  tiger: [["numpy tiger", tiger({ learningRate: 0.02, momentum: 0.9, weightDecay: 0.1 })]],
  pbsgd: [["numpy pbsgd", pbsgd({ learningRate: 0.02, power: 0.6, momentum: 0.5 })]],
  muon: [
    ["numpy muon", matrixMuon({ weightDecay: 0.1 }), 5e-4],
    ["numpy muon without nesterov", matrixMuon({ nesterov: false, scale: "match-adamw-rms" }), 5e-4],
    ["optax muon", matrixMuon({ nesterov: false, weightDecay: 0.1 }), 5e-4],
    [
      "optax muon table",
      matrixMuon({ nesterov: false, coefficients: "quintic-5", scale: "match-adamw-rms" }),
      5e-4,
    ],
    // torch.optim.Muon iterates in bfloat16, with 8 bits of precision; it differs by a percent of 100 updates of 0.005.
    ["torch muon", matrixMuon({ weightDecay: 0.1 }), 3e-2],
  ],
  shampoo: [
    ["numpy shampoo", shampoo({ ...shampooSum, method: "eigen" }), 2e-4],
    // The iteration's ridge lies under all eigenvalues, the reference raises the small ones: 1e-6 of the largest either way.
    ["numpy shampoo", shampoo(shampooSum), 1e-3],
    ["numpy shampoo average", shampoo({ learningRate: 0.003, b2: 0.9, momentum: 0, method: "eigen" }), 2e-4],
    ["numpy shampoo average", shampoo({ learningRate: 0.003, b2: 0.9, momentum: 0 }), 2e-4],
  ],
  adopt: [
    ["optax adopt", adopt({ learningRate: 0.02, b1: 0.8, b2: 0.95, eps: 1e-3 })],
    ["optax adopt defaults", adopt()],
    // Its own limit counts from the first gradient, the paper's from the second: the run has the paper's.
    [
      "pytorch_optimizer adopt",
      adopt({ learningRate: 0.002, b1: 0.8, b2: 0.95, eps: 0.1, weightDecay: 0.1 }),
    ],
  ],
  soap: [
    ["pytorch_optimizer soap", soapOf({ frequency: 10 }), 1e-4],
    ["pytorch_optimizer soap one side", soapOf({ frequency: 1, maxSide: 5 }), 1e-4],
  ],
  "schedule-free-adamw": [
    ["schedulefree adamw", scheduleFreeAdamw(scheduleFree)],
    [
      "pytorch_optimizer schedulefree",
      scheduleFreeAdamw({ ...scheduleFree, weightDecay: 0, averagePower: 0 }),
    ],
  ],
  normuon: [
    ["numpy normuon", normuon({ learningRate: 0.005, momentum: 0.9, b2: 0.8, weightDecay: 0.1 }), 5e-4],
    // It iterates in bfloat16, as torch.optim.Muon.
    [
      "pytorch_optimizer normuon",
      normuon({ learningRate: 0.005, momentum: 0.9, b2: 0.8, weightDecay: 0.1 }),
      3e-2,
    ],
  ],
  adamuon: [
    ["numpy adamuon", adamuonOf({ sign: true, nesterov: true }), 5e-4],
    ["numpy adamuon without sign", adamuonOf({ sign: false, nesterov: false }), 5e-4],
    ["pytorch_optimizer adamuon", adamuonOf({ sign: false, nesterov: false }), 3e-2],
  ],
  // Their attention has no place in these problems: what the clipping does is in muonClip.test.ts.
  muonclip: [
    ["numpy muon without nesterov", muonClip({ learningRate: 0.005, momentum: 0.9, weightDecay: 0 }), 5e-4],
    ["pytorch_optimizer muonclip", muonClip({ learningRate: 0.005, momentum: 0.9, weightDecay: 0.1 }), 3e-2],
  ],
  dion: [
    [
      "numpy dion",
      dionFrom({ learningRate: 0.01, momentum: 0.9, rankFraction: 0.5, weightDecay: 0.1 }),
      1e-4,
    ],
  ],
};

for (const [name, runs] of Object.entries(rows)) {
  describe(`100 steps of ${name} follow`, () => {
    // Optimizers of hidden matrices give the vector to AdamW, which has runs of its own.
    const names = optimizerMethods[name as OptimizerName].rule === null ? every : matrices;
    for (const [run, transformation, tolerance = rounding] of runs) {
      test(run, () => {
        assertFollows(
          optimize(names, transformation, jit(transformation.update as never) as never),
          run,
          tolerance,
        );
      });
    }
  });
}
