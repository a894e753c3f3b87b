import { DType, grad, nn, numpy as np } from "@jax-js/jax";
import { arrayOf, float32, int32 } from "./arrays.ts";
import type { AnyFunction } from "./compareWithJax.ts";

/** A computation whose number, eagerly or compiled, isn't what JAX or float64 gives. */
export interface NumberCase {
  /** As in numberCases.reference.json. */
  readonly expression: string;
  readonly run: AnyFunction;
  readonly args: () => np.Array[];
  /** What the engine may give, where its kernels for the machine decide; the page shows all. */
  readonly byMachine?: readonly string[];
  /** How Rotor's own functions stand to it. */
  readonly inRotor: string;
}

const f = (...values: number[]) => float32([values.length], values);
const one = (value: number) => f(value).reshape([]);
const i = (...values: number[]) => int32([values.length], values);
const isTrue = () => arrayOf(DType.Bool, [1], [1]);

type Unary = (x: np.Array) => np.Array;
const gradient = (fn: Unary): AnyFunction => grad(fn);
const take: AnyFunction = (x: np.Array, index: np.Array) => x.slice(index).reshape([]);

const integers = "guarded: `crossEntropy` and `kMeans` count in float32";
const places =
  "guarded: `powerIteration` takes a row that is there, `nearestCode` masks what isn't finite, sampling refuses NaN logits";
const indices =
  "guarded: tokens, targets and codes outside their table are a DataError where values are known (`embedding`, `crossEntropy`, `decode`), compiled all are";
const relu = "guarded: Rotor's own has 0 there, `relu2` too";
const angles =
  "guarded: rotary tables and `sinusoidalPositions` bring angles into ±π/4 exactly before any sine, or take JavaScript's";
const logarithms = "guarded: matrices are brought into range, other small values bounded, first";

export const numberCases: readonly NumberCase[] = [
  { expression: "[3]·0.5 of int32", run: (x) => x.mul(0.5), args: () => [i(3)], inRotor: integers },
  { expression: "[7]/2 of int32", run: (x) => x.div(2), args: () => [i(7)], inRotor: integers },
  { expression: "[3] + 0.5 of int32", run: (x) => x.add(0.5), args: () => [i(3)], inRotor: integers },
  { expression: "[true]·0.5 of bool", run: (x) => x.mul(0.5), args: () => [isTrue()], inRotor: integers },
  { expression: "[true]/2 of bool", run: (x) => x.div(2), args: () => [isTrue()], inRotor: integers },
  {
    expression: "argmax [1, NaN, 2]",
    run: (x) => np.argmax(x),
    args: () => [f(1, Number.NaN, 2)],
    byMachine: ["0", "1", "2"],
    inRotor: places,
  },
  {
    expression: "argmin [1, NaN, 2]",
    run: (x) => np.argmin(x),
    args: () => [f(1, Number.NaN, 2)],
    byMachine: ["0", "1", "2"],
    inRotor: places,
  },
  {
    expression: "max [1, NaN, 2]",
    run: (x) => np.max(x),
    args: () => [f(1, Number.NaN, 2)],
    byMachine: ["2", "NaN"],
    inRotor: "a maximum is no test for NaN: `nearestCode` masks what isn't finite first",
  },
  {
    expression: "arctan2(−0, −1)",
    run: (y, x) => np.arctan2(y, x),
    args: () => [one(-0), one(-1)],
    inRotor: "not used on arrays",
  },
  {
    expression: "softplus(200)",
    run: (x) => nn.softplus(x),
    args: () => [one(200)],
    inRotor: "guarded: the laws have their own, in float64",
  },
  {
    expression: "softplus′(200)",
    run: gradient((x) => nn.softplus(x)),
    args: () => [one(200)],
    inRotor: "not used",
  },
  {
    expression: "logsumexp [−∞, −∞]",
    run: (x) => nn.logsumexp(x),
    args: () => [f(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY)],
    inRotor:
      "attention's masks are finite; `crossEntropy` is right where a logit of the row is finite, and NaN (as JAX's) where none is",
  },
  {
    expression: "oneHot(−1, 3)",
    run: (x) => nn.oneHot(x, 3).reshape([3]),
    args: () => [i(-1)],
    inRotor: "not used",
  },
  { expression: "[10, 20, 30] at −1", run: take, args: () => [f(10, 20, 30), i(-1)], inRotor: indices },
  { expression: "[10, 20, 30] at 5", run: take, args: () => [f(10, 20, 30), i(5)], inRotor: indices },
  {
    expression: "∂maximum(x, 1) at 1",
    run: gradient((x) => np.maximum(x, 1)),
    args: () => [one(1)],
    inRotor: "only as a bound away from ties",
  },
  { expression: "∂relu at 0", run: gradient((x) => nn.relu(x)), args: () => [one(0)], inRotor: relu },
  {
    expression: "∂clip(x, 0, 1) at 0",
    run: gradient((x) => np.clip(x, 0, 1)),
    args: () => [one(0)],
    inRotor: "no gradient is taken through a clip",
  },
  {
    expression: "∂max [2, 2]",
    run: gradient((x) => np.max(x)),
    args: () => [f(2, 2)],
    inRotor: "the same",
  },
  {
    expression: "∂abs at 0",
    run: gradient((x) => np.absolute(x)),
    args: () => [one(0)],
    inRotor: "the same; PyTorch's is 0",
  },
  {
    expression: "∂prod [0, 2, 3]",
    run: gradient((x) => np.prod(x)),
    args: () => [f(0, 2, 3)],
    inRotor: "not used",
  },
  {
    expression: "log 1e−40",
    run: (x) => np.log(x),
    args: () => [one(1e-40)],
    byMachine: ["−92.1", "−∞"],
    inRotor: logarithms,
  },
  {
    expression: "log(1 − 2⁻²⁴)",
    run: (x) => np.log(x),
    args: () => [one(1 - 2 ** -24)],
    inRotor:
      "eagerly, `crossEntropy` is off by up to 1.3e-5 nats, as every such logarithm in [1, 4] is; training and evaluation are compiled",
  },
  { expression: "sin 1e5", run: (x) => np.sin(x), args: () => [one(1e5)], inRotor: angles },
  { expression: "sin 1e10", run: (x) => np.sin(x), args: () => [one(1e10)], inRotor: angles },
  { expression: "cos 1e10", run: (x) => np.cos(x), args: () => [one(1e10)], inRotor: angles },
];
