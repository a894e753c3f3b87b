// Causal attention whole and in blocks of queries: the result and the gradients of queries, keys and values, all variants in one process,
// call by call in turns, so that other load meets all. Prints a line per length.
//
// npm run bench -- --part attention [--lengths 256,512,1024,2048] [--blocks 128,256,512] [--tokens 2048] [--rounds 15] [--threads 2]
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { grad, init, type numpy as np } from "@jax-js/jax";
import { compile, EngineArray } from "../src/compile/index.ts";
import { attend, causalBias } from "../src/nn/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    lengths: { type: "string", default: "256,512,1024,2048" },
    blocks: { type: "string", default: "128,256,512" },
    tokens: { type: "string", default: "2048" },
    rounds: { type: "string", default: "15" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const lengths = flags.lengths.split(",").map(Number);
const blocks = flags.blocks.split(",").map(Number);
const [tokens, rounds, threads] = [flags.tokens, flags.rounds, flags.threads].map(Number) as [
  number,
  number,
  number,
];
const [numHeads, headDim] = [4, 64];
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

await init();
console.log(
  `${cpus()[0]!.model.trim()}, ${threads} threads, ${numHeads} heads of ${headDim}, ${tokens} tokens: ms forward and backward, whole; in blocks, times the whole`,
);
console.log(`length${"whole".padStart(10)}${blocks.map((size) => String(size).padStart(8)).join("")}`);
for (const length of lengths) {
  const batch = Math.max(1, Math.round(tokens / length));
  const shape = [batch, length, numHeads, headDim];
  const heads = [1, 2, 3, 4].map((phase) =>
    EngineArray.from(
      Float32Array.from({ length: batch * length * numHeads * headDim }, (_, i) =>
        Math.sin(0.001 * i * i + phase * i),
      ),
      shape,
    ),
  );
  const variants = [null, ...blocks.filter((size) => 2 * size <= length)].map((blockSize) => {
    const options = blockSize === null ? { causal: false } : { causal: true, blockSize };
    const gradient = grad(([q, k, v, weights]: np.Array[]) =>
      attend({ q: q!, k: k!, v: v! }, causalBias(length), options)
        .mul(weights!.reshape([batch, length, -1]))
        .sum(),
    );
    return {
      run: compile(gradient, { threads, outputs: "engine" }) as (heads: EngineArray[]) => Promise<unknown>,
      times: [] as number[],
    };
  });
  for (let round = -2; round < rounds; round++) {
    for (const { run, times } of variants) {
      const start = performance.now();
      await run(heads);
      if (round >= 0) times.push(performance.now() - start);
    }
  }
  const [whole, ...inBlocks] = variants.map(({ times }) => times);
  const cells = blocks.map((size, i) =>
    (2 * size > length
      ? "–"
      : median(inBlocks[i]!.map((time, turn) => time / whole![turn]!)).toFixed(2)
    ).padStart(8),
  );
  figure(`${length} tokens, whole, ms`, median(whole!));
  for (const [i, size] of blocks.entries())
    if (2 * size <= length) figure(`${length} tokens, blocks of ${size}, ms`, median(inBlocks[i]!));
  console.log(`${String(length).padStart(6)}${median(whole!).toFixed(1).padStart(10)}${cells.join("")}`);
}
