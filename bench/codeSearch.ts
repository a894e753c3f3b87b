// Nearest-code search beside the machine's matrix-product peak: one search and a few products of two 1024 × 1024 matrices in turns,
// in one process, so that other load meets both. Prints a line per chunk budget.
//
// npm run bench -- --part code-search [--vectors 4096] [--codes 65536] [--dim 64] [--budgets 16,64,256] [--rounds 7] [--threads 2]
//   [--python python3]   also times vector-quantize-pytorch's distances and argmin, if that Python has it
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { init, numpy as np } from "@jax-js/jax";
import { compile, EngineArray } from "../src/compile/index.ts";
import { nearestCode, planSearch } from "../src/quantize/index.ts";
import { figure } from "./figures.ts";
import { profileOf, sumOf } from "./profile.ts";

const { values: flags } = parseArgs({
  options: {
    vectors: { type: "string", default: "4096" },
    codes: { type: "string", default: "65536" },
    dim: { type: "string", default: "64" },
    budgets: { type: "string", default: "16,64,256" },
    rounds: { type: "string", default: "7" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string" },
  },
});
const [vectors, codes, dim, rounds, threads] = [
  flags.vectors,
  flags.codes,
  flags.dim,
  flags.rounds,
  flags.threads,
].map(Number) as [number, number, number, number, number];
const mebibyte = 2 ** 20;
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const peakMemory = () => process.resourceUsage().maxRSS * 1024;

await init();
const matrix = (rows: number, columns: number, phase: number) =>
  EngineArray.from(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(0.001 * i * i + phase * i)),
    [rows, columns],
  );
const [z, table, square] = [matrix(vectors, dim, 1), matrix(codes, dim, 2), matrix(1024, 1024, 3)];
const product = compile((a: np.Array, b: np.Array) => np.matmul(a, b), { threads, outputs: "engine" });
const productsPerRound = 6;

async function timed(run: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Share of kernel time per ONNX operator, by ONNX Runtime's own profile. */
async function kernelShares(budgetBytes: number): Promise<string> {
  const search = (a: np.Array, b: np.Array) => nearestCode(a, b, { budgetBytes });
  const { kernels: times } = await profileOf(async (prefix) => {
    const profiled = compile(search, { threads, outputs: "engine", profile: prefix });
    await profiled(z, table);
    await profiled.dispose();
  });
  const total = sumOf(times);
  return [...times]
    .slice(0, 4)
    .map(([operator, time]) => `${operator} ${Math.round((100 * time) / total)} %`)
    .join(", ");
}

console.log(
  `${cpus()[0]!.model.trim()}, ${threads} threads: ${vectors} vectors, ${codes} codes of ${dim} components`,
);
for (const budget of flags.budgets.split(",").map(Number)) {
  const budgetBytes = budget * mebibyte;
  const search = compile((a: np.Array, b: np.Array) => nearestCode(a, b, { budgetBytes }), {
    threads,
    outputs: "engine",
  });
  const run = () => search(z, table);
  const before = peakMemory();
  await run();
  const grown = peakMemory() - before;
  const shares: number[] = [];
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const productMs =
      (await timed(async () => {
        for (let i = 0; i < productsPerRound; i++) await product(square, square);
      })) / productsPerRound;
    const searchMs = await timed(run);
    times.push(searchMs);
    shares.push((2 * vectors * codes * dim) / searchMs / ((2 * 1024 ** 3) / productMs));
  }
  await search.dispose();
  const plan = planSearch(vectors, codes, budgetBytes);
  figure(`budget ${budget} MiB, ms`, median(times));
  console.log(
    `budget ${budget} MiB (${plan.vectors} × ${plan.codes}): ${median(times).toFixed(0)} ms, ${Math.round(100 * median(shares))} % of the peak (${Math.round(100 * Math.min(...shares))}–${Math.round(100 * Math.max(...shares))}); peak memory grew by ${Math.round(grown / mebibyte)} MiB; kernels: ${await kernelShares(budgetBytes)}`,
  );
}
await product.dispose();

if (flags.python !== undefined) {
  const script = `
import time, torch
from vector_quantize_pytorch.vector_quantize_pytorch import cdist
torch.set_num_threads(${threads})
z, e = torch.randn(1, ${vectors}, ${dim}), torch.randn(1, ${codes}, ${dim})
times = []
with torch.no_grad():
    for _ in range(${rounds}):
        start = time.perf_counter()
        (-cdist(z, e)).argmax(dim=-1)
        times.append(1000 * (time.perf_counter() - start))
import resource
print(f"vector-quantize-pytorch: {sorted(times)[len(times) // 2]:.0f} ms; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
`;
  const { stdout, stderr } = spawnSync(flags.python, ["-c", script], { encoding: "utf8" });
  console.log(stdout.trim() || stderr.trim().split("\n").at(-1));
}
