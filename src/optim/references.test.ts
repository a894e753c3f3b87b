import { describe, test } from "node:test";
import { jit } from "@jax-js/jax";
import {
  adabelief,
  adam,
  adamw,
  type GradientTransformation,
  lion,
  type MuonOptions,
  muon,
  pbsgd,
  rmsprop,
  sgd,
  shampoo,
  signum,
  tiger,
} from "./index.ts";
import { assertFollows, every, matrices, optimize } from "./testing/reference.ts";

const named = { learningRate: 0.03, b1: 0.8, b2: 0.95, eps: 1e-3, weightDecay: 0.1 };
const matrixMuon = (options: MuonOptions) => muon({ learningRate: 0.005, momentum: 0.9, ...options });
const shampooSum = { learningRate: 0.05, momentum: 0.5, weightDecay: 0.1 };
/** Float32 against float64 over 100 steps of weights of order 1. */
const rounding = 2e-5;

const rows: [run: string, transformation: GradientTransformation, tolerance?: number][] = [
  ["torch sgd", sgd({ learningRate: 0.05 })],
  ["torch sgd momentum", sgd({ learningRate: 0.05, momentum: 0.9 })],
  ["torch sgd nesterov", sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })],
  ["torch sgd weight decay", sgd({ learningRate: 0.05, momentum: 0.8, nesterov: true, weightDecay: 0.1 })],
  ["torch rmsprop", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 1e-3, weightDecay: 0.1 })],
  ["torch rmsprop defaults", rmsprop()],
  ["torch rmsprop centered", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 0.1, centered: true })],
  ["torch rmsprop momentum", rmsprop({ learningRate: 0.002, decay: 0.9, eps: 1e-3, momentum: 0.8 })],
  ["torch adam", adam(named)],
  ["torch adam defaults", adam()],
  ["torch adamw", adamw(named)],
  ["torch adamw defaults", adamw()],
  ["torch adamw large eps", adamw({ learningRate: 0.03, eps: 0.5 })],
  ["torch adamw tiny eps", adamw({ learningRate: 0.03, eps: 1e-15 })],
  ["optax adamw", adamw(named)],
  ["optax adamw eps_root", adamw({ ...named, epsRoot: 0.05 })],
  ["optax adabelief", adabelief({ learningRate: 0.01, b1: 0.8, b2: 0.95, eps: 1e-2, epsRoot: 1e-3 })],
  ["optax adabelief defaults", adabelief()],
  ["optax lion", lion({ learningRate: 0.003, b1: 0.8, b2: 0.95, weightDecay: 0.1 })],
  ["optax lion defaults", lion()],
  ["optax sign_sgd", signum({ learningRate: 0.003, momentum: 0 })],
  ["optax signum", signum({ learningRate: 0.003, momentum: 0.8 })],
  ["optax rmsprop", rmsprop({ learningRate: 0.01, decay: 0.9, eps: 0, epsRoot: 1e-2 })],
  [
    "optax rmsprop centered",
    rmsprop({ learningRate: 0.005, decay: 0.9, eps: 0, epsRoot: 1e-2, centered: true, momentum: 0.5 }),
  ],
  ["numpy softsign", signum({ learningRate: 0.01, momentum: 0.8, eps: 0.2 })],
  ["numpy tiger", tiger({ learningRate: 0.02, momentum: 0.9, weightDecay: 0.1 })],
  ["numpy pbsgd", pbsgd({ learningRate: 0.02, power: 0.6, momentum: 0.5 })],
  ["numpy shampoo", shampoo({ ...shampooSum, method: "eigen" }), 2e-4],
  // The iteration's ridge lies under all eigenvalues, the reference raises the small ones: 1e-6 of the largest either way.
  ["numpy shampoo", shampoo(shampooSum), 1e-3],
  ["numpy shampoo average", shampoo({ learningRate: 0.003, b2: 0.9, momentum: 0, method: "eigen" }), 2e-4],
  ["numpy shampoo average", shampoo({ learningRate: 0.003, b2: 0.9, momentum: 0 }), 2e-4],
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
];

describe("100 steps follow", () => {
  for (const [run, transformation, tolerance = rounding] of rows) {
    const names = /muon|shampoo/.test(run) ? matrices : every;
    test(run, () => {
      assertFollows(
        optimize(names, transformation, jit(transformation.update as never) as never),
        run,
        tolerance,
      );
    });
  }
});
