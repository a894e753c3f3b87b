// Newton–Schulz iteration as a share of the speed of as many 1024³ products at once, both in one process and in turns: npm run bench -- --part newton-schulz
import os from "node:os";
import { parseArgs } from "node:util";
import { init, numpy as np } from "@jax-js/jax";
import { compile, EngineArray } from "../src/compile/index.ts";
import { newtonSchulz } from "../src/spectral/index.ts";
import { figure } from "./figures.ts";
import { profileOf } from "./profile.ts";

const { values: flags } = parseArgs({
  options: {
    threads: { type: "string", default: String(Math.min(2, os.availableParallelism())) },
    rounds: { type: "string", default: "7" },
    batch: { type: "string", default: "4" },
    sizes: { type: "string", default: "512,768,1024" },
  },
});
const [threads, rounds, batch] = [flags.threads, flags.rounds, flags.batch].map(Number) as [
  number,
  number,
  number,
];
const steps = 5;
await init();

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

function matrices(shape: number[]): EngineArray {
  const size = shape.reduce((a, b) => a * b, 1);
  return EngineArray.from(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * i)),
    shape,
  );
}

type Run = (...args: never[]) => Promise<unknown>;

/** With one thread the processor's time, which other processes don't lengthen. */
async function seconds(run: Run, ...args: EngineArray[]): Promise<number> {
  const start = performance.now();
  const begin = process.cpuUsage();
  await run(...(args as never[]));
  const { user, system } = process.cpuUsage(begin);
  return threads === 1 ? (user + system) / 1e6 : (performance.now() - start) / 1000;
}

/** Milliseconds of one call by operator, in ONNX Runtime's own profile. */
const kernelsOf = async (x: EngineArray) => {
  const { kernels } = await profileOf(async (prefix) => {
    const iteration = compile((m: np.Array) => newtonSchulz(m, { steps }), {
      threads,
      outputs: "engine",
      profile: prefix,
    });
    for (let i = 0; i < 3; i++) await iteration(x);
    await iteration.dispose();
  });
  return kernels;
};

const peakSize = 1024;
const product = compile((a: np.Array, b: np.Array) => np.matmul(a, b), { threads, outputs: "engine" });
const [left, right] = [matrices([batch, peakSize, peakSize]), matrices([batch, peakSize, peakSize])];
console.log(
  `${os.cpus()[0]?.model.trim()}, ${threads} threads, ${batch} matrices, ${steps} steps, medians of ${rounds}; peak: as many 1024³ products at once`,
);
// The iteration X ← aX + b(XXᵀ)X + c(XXᵀ)²X counts as it is usually done; long matrices take fewer operations here.
console.log("matrices         ms  of peak  kernels of one call in ms");
for (const d of flags.sizes.split(",").map(Number)) {
  for (const columns of [d, 4 * d]) {
    const x = matrices([batch, d, columns]);
    const iteration = compile((m: np.Array) => newtonSchulz(m, { steps }), { threads, outputs: "engine" });
    const flops = batch * steps * (4 * d * d * columns + 2 * d ** 3);
    // The first call loads the session.
    await seconds(product as Run, left, right);
    await seconds(iteration as Run, x);
    const times: number[] = [];
    const shares: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const peaks = [await seconds(product as Run, left, right), await seconds(product as Run, left, right)];
      const time = await seconds(iteration as Run, x);
      peaks.push(await seconds(product as Run, left, right), await seconds(product as Run, left, right));
      times.push(time);
      shares.push(flops / time / ((2 * batch * peakSize ** 3) / median(peaks)));
    }
    await iteration.dispose();
    const kernels = [...(await kernelsOf(x))].map(([op, ms]) => `${op} ${ms.toFixed(1)}`).join(", ");
    figure(`${d} × ${columns}, ms`, 1000 * median(times));
    console.log(
      `${`${d} × ${columns}`.padEnd(12)}  ${(1000 * median(times)).toFixed(0).padStart(5)}  ${(100 * median(shares)).toFixed(0).padStart(6)} %  ${kernels}`,
    );
  }
}
await product.dispose();
