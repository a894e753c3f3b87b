// Prints what learning with one convolution costs (the result and the gradients of kernel and pictures), by ONNX Runtime's Conv alone
// beside what the compiler chooses, for several sizes: in turns, so that other load meets both. Medians over rounds.
//
// npm run bench -- --part convolution [--rounds 15] [--threads 2]
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { grad, init, numpy as np, random, vmap } from "@jax-js/jax";
import { compile, EngineArray } from "../src/compile/index.ts";
import { convolution } from "../src/nn/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const [rounds, threads] = [flags.rounds, flags.threads].map(Number) as [number, number];
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Pictures, side, channels before and after, size of the kernel. */
const cases = [
  [64, 14, 32, 32, 3],
  [64, 7, 64, 64, 3],
  [8, 16, 256, 256, 3],
  [4, 32, 64, 64, 3],
  [16, 32, 64, 64, 3],
  [64, 28, 8, 8, 3],
  [32, 32, 3, 64, 3],
  [16, 32, 32, 32, 5],
] as const;

type Arrays = [np.Array, np.Array, np.Array];

function learn(x: np.Array, kernel: np.Array, bias: np.Array) {
  return grad(([a, k, b]: Arrays) => np.square(convolution(a, { kernel: k, bias: b })).sum())([
    x,
    kernel,
    bias,
  ]);
}

// What is mapped by vmap stays with Conv, here as one group.
const methods = {
  Conv: (...arrays: Arrays) =>
    vmap(learn)(...(arrays.map((array) => array.reshape([1, ...array.shape])) as Arrays)),
  chosen: learn,
};

await init();
console.log(`${cpus()[0]!.model.trim()}, ${threads} threads: result and gradients, ms`);
for (const [images, side, channels, outChannels, size] of cases) {
  const arrays = [
    random.normal(random.key(0), [images, side, side, channels]),
    random.normal(random.key(1), [outChannels, channels, size, size]),
    np.zeros([outChannels]),
  ] as Arrays;
  const operands = await Promise.all(
    arrays.map(async (array) => {
      const { shape } = array;
      return EngineArray.from((await array.data()) as Float32Array<ArrayBuffer>, shape);
    }),
  );
  const runs = Object.entries(methods).map(([name, method]) => ({
    name,
    compiled: compile(method as (...arrays: Arrays) => unknown, { threads, outputs: "engine" }),
    times: [] as number[],
  }));
  for (let round = -2; round < rounds; round++) {
    for (const { compiled, times } of runs) {
      const begin = performance.now();
      await compiled(...(operands as never as Arrays));
      if (round >= 0) times.push(performance.now() - begin);
    }
  }
  const [alone, chosen] = runs.map(({ times }) => times) as [number[], number[]];
  const ratio = median(chosen.map((time, round) => time / alone[round]!));
  const what = `${images} × ${side} × ${side} × ${channels} → ${outChannels}, ${size} × ${size}`;
  figure(`${what}, ms`, median(chosen));
  console.log(
    `${what.padEnd(34)} Conv ${median(alone).toFixed(1).padStart(6)}   chosen ${median(chosen).toFixed(1).padStart(6)}   ${ratio.toFixed(2)}×`,
  );
  for (const { compiled } of runs) await compiled.dispose();
}
