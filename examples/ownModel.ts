// A model of your own: a network that tells two spirals apart. Its whole training step becomes one graph.
//
// node examples/ownModel.ts [steps]
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { adamw, applyUpdates, compile, compileStep, crossEntropy, type Tree } from "rotor";

const steps = Number(process.argv[2] ?? 500);

// The data: points of two spirals, one turn each, and which of them each point belongs to.
const count = 256;
const labels = Int32Array.from({ length: count }, (_, i) => i % 2);
const coordinates = Float32Array.from({ length: 2 * count }, (_, i) => {
  const point = i >> 1;
  const turn = 2 * Math.PI * (point / count + labels[point]! / 2);
  return (0.2 + point / count) * (i % 2 === 0 ? Math.cos(turn) : Math.sin(turn));
});
const x = np.array(coordinates, { shape: [count, 2] });
const y = np.array(labels);

// The model: a function of a plain tree of arrays. jax-js frees an array when it is used; `.ref` keeps it for another use.
interface Params {
  readonly up: np.Array;
  readonly bias: np.Array;
  readonly down: np.Array;
}

function logits({ up, bias, down }: Params, points: np.Array): np.Array {
  return np.matmul(np.tanh(np.matmul(points, up).add(bias)), down);
}

const [first, second] = np.split(random.split(random.key(0)), 2, 0) as [np.Array, np.Array];
const params: Params = {
  up: random.normal(first.reshape([2]), [2, 64]).mul(3),
  bias: np.linspace(-3, 3, 64),
  down: random.normal(second.reshape([2]), [64, 2]).mul(0.1),
};

// The step: forward, backward and optimizer. Its state stays in the engine from one call to the next.
const optimizer = adamw({ learningRate: 0.02 });
const step = compileStep((state: { params: Tree; moments: Tree }, points: np.Array, classes: np.Array) => {
  const loss = (p: Params) => crossEntropy(logits(p, points), classes);
  const [value, gradients] = valueAndGrad(loss)(tree.ref(state.params));
  const [updates, moments] = optimizer.update(gradients, state.moments, tree.ref(state.params));
  return [{ params: applyUpdates(state.params, updates), moments }, value];
});
using state = await step.init({ params, moments: optimizer.init(tree.ref(params as Tree)) });
for (let i = 0; i <= steps; i++) {
  const loss = await step(state, x.ref, y.ref);
  if (i % 100 === 0) console.log(`step ${i}: loss ${loss.item().toFixed(3)}`);
  else loss.dispose();
}

// What it learned, compiled as well.
await using classify = compile((p: Params, points: np.Array) => np.argmax(logits(p, points), -1));
const found = await classify(state.leaves().params as Params, x);
const right = found.equal(y).astype(np.float32).mean().item();
console.log(`${Math.round(100 * right)} % of the points are told right`);
if (right < 0.95) process.exitCode = 1;
