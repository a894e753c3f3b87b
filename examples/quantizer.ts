// An autoencoder with a codebook: 16 numbers become one of 256 codes, and come back.
//
// node examples/quantizer.ts [steps]
import { numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { adamw, applyUpdates, compileStep, normalSampler, simVq, summarizeUsage, type Tree } from "rotor";

const steps = Number(process.argv[2] ?? 300);
const [width, dim, batchSize, numCodes] = [16, 2, 512, 256];

// The data: points near a plane in 16 dimensions.
const draw = normalSampler(0);
const plane = Array.from({ length: 2 }, () => Float32Array.from({ length: width }, draw));
function batch(): np.Array {
  const points = Array.from({ length: batchSize }, () => {
    const [a, b] = [draw(), draw()];
    return Array.from({ length: width }, (_, i) => a * plane[0]![i]! + b * plane[1]![i]! + 0.1 * draw());
  });
  return np.array(points);
}

// A quantizer has parameters, which are trained, and a state, which isn't: here the random table whose rows SimVQ maps to codes.
const quantizer = simVq({ numCodes, dim });
const codebook = quantizer.init(random.key(1));
const params: Tree = {
  into: random.normal(random.key(2), [width, dim]).mul(0.25),
  out: random.normal(random.key(3), [dim, width]).mul(0.25),
  codebook: codebook.params,
};
function loss(p: Tree, table: Tree, x: np.Array): [np.Array, Tree] {
  const {
    quantized,
    loss: own,
    indices,
    ...rest
  } = quantizer.apply(p.codebook, table, np.matmul(x.ref, p.into));
  tree.dispose(rest as Tree);
  const error = np.square(np.matmul(quantized, p.out).sub(x)).mean();
  return [error.ref.add(own), { error, indices }];
}

const optimizer = adamw({ learningRate: 0.01 });
const step = compileStep((state: Tree, x: np.Array): [Tree, Tree] => {
  const run = (p: Tree) => loss(p, tree.ref(state.table), x);
  const [[, seen], gradients] = valueAndGrad(run, { hasAux: true })(tree.ref(state.params));
  const [updates, moments] = optimizer.update(gradients, state.moments, tree.ref(state.params));
  return [{ ...state, params: applyUpdates(state.params, updates), moments }, seen];
});

using state = await step.init({ params, table: codebook.state, moments: optimizer.init(tree.ref(params)) });
for (let i = 0; i <= steps; i++) {
  const seen = await step(state, batch());
  const histogram = new Float64Array(numCodes);
  for (const code of seen.indices.dataSync()) histogram[code]!++;
  const [error, { numUsed, perplexity }] = [seen.error.item(), summarizeUsage(histogram)];
  if (i % 100 === 0 || i === steps)
    console.log(
      `step ${i}: error ${error.toFixed(3)}, ${numUsed} codes, perplexity ${perplexity.toFixed(1)}`,
    );
  if (i === steps && (error > 0.2 || numUsed < 100)) process.exitCode = 1;
}
