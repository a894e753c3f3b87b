// Sweeps learning rates at four batch sizes, and lets the fit say which learning rate another batch size asks for.
//
// node examples/sweepAndFit.ts [steps]
import { numpy as np, valueAndGrad } from "@jax-js/jax";
import { compileStep, fitSweep, normalSampler, type SweepRow } from "rotor";

const steps = Number(process.argv[2] ?? 60);
const dim = 32;

// A linear model on noisy data, trained by gradient descent: the more samples a gradient is of, the longer the steps it can take.
const step = compileStep((w: np.Array, x: np.Array, y: np.Array, learningRate: np.Array) => {
  const loss = (v: np.Array) => np.square(np.matmul(x.ref, v).sub(y.ref)).mean().mul(0.5);
  const [value, gradient] = valueAndGrad(loss)(w.ref);
  return [w.sub(gradient.mul(learningRate)), value];
});

/** Trains, and says how far from the truth that ends: the loss on data without noise. */
async function train(batchSize: number, learningRate: number, seed: number): Promise<number> {
  const draw = normalSampler(seed);
  using state = await step.init(np.zeros([dim, 1]));
  for (let i = 0; i < steps; i++) {
    const x = Float32Array.from({ length: batchSize * dim }, draw);
    // All weights are 1, and the noise is four times as large as each.
    const y = Float32Array.from({ length: batchSize }, (_, row) =>
      x.subarray(row * dim, (row + 1) * dim).reduce((sum, value) => sum + value, 4 * draw()),
    );
    const inputs = np.array(x, { shape: [batchSize, dim] });
    const targets = np.array(y, { shape: [batchSize, 1] });
    (await step(state, inputs, targets, np.array(learningRate))).dispose();
  }
  return np.square(state.read().sub(1)).sum().mul(0.5).item();
}

const rows: SweepRow[] = [];
for (const batchSize of [4, 8, 16, 64]) {
  for (let learningRate = 0.001; learningRate < 1; learningRate *= 2) {
    for (const seed of [1, 2]) {
      const loss = await train(batchSize, learningRate, seed);
      rows.push({ batchSize, learningRate, seed, steps, loss });
    }
  }
}

// The same as `rotor fit` with a table: the optimum of each batch size, and a prediction for another one, all with 90 % intervals.
const fit = fitSweep(rows, { at: [32] });
const show = ({ value, low, high }: { value: number; low: number; high: number }) =>
  `${value.toPrecision(2)} (${low.toPrecision(2)} to ${high.toPrecision(2)})`;
for (const optimum of fit.optima) console.log(`batch ${optimum.batchSize}: ${show(optimum)}`);
const [prediction] = fit.predictions;
console.log(`batch 32, which wasn't tried: ${show(prediction!)}`);
const [small, , , large] = fit.optima;
if (!(small!.value < prediction!.value && prediction!.value < 2 * large!.value)) process.exitCode = 1;
await step.dispose();
