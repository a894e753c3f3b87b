// What a Hessian-vector product costs, in gradients of the same model: all variants in one process, in turns; medians.
// Processor time stands beside the clock, for machines that others use as well.
//
// npm run bench -- --part curvature [--threads 2] [--rounds 15]
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { grad, numpy as np, random, tree } from "@jax-js/jax";
import { compile, toEngine } from "../src/compile/index.ts";
import { hessianVectorProducts, rademacherLike } from "../src/curvature/index.ts";
import { initTransformer, resolveTransformerConfig, transformerLoss } from "../src/nn/index.ts";
import type { Tree } from "../src/optim/index.ts";
import { benchCases } from "./cases.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    threads: { type: "string", default: String(availableParallelism()) },
    rounds: { type: "string", default: "15" },
  },
});
const { name, layers, dim, heads, vocab, batch, length } = benchCases[0]!;
const config = resolveTransformerConfig({
  vocabSize: vocab,
  numLayers: layers,
  modelDim: dim,
  numHeads: heads,
  qkNorm: false,
  maxLength: length,
});
const parameters = initTransformer(random.key(0), config);
const vectors: Tree[] = [];
for (let i = 0; i < 4; i++) vectors.push(await toEngine(rademacherLike(random.key(i), parameters)));
const params = (await toEngine(parameters)) as Tree;
const ids = Int32Array.from({ length: batch * (length + 1) }, (_, i) => (i * 7919) % vocab);
const tokens = (await toEngine(np.array(ids, { shape: [batch, length + 1] }))) as Tree;

const options = { outputs: "engine", threads: Number(flags.threads) } as const;
const lossOn = (t: np.Array) => (p: Tree) => transformerLoss(p, t.ref, config);
const gradient = compile((p: Tree, t: np.Array) => (grad(lossOn(t)) as (p: Tree) => Tree)(p), options);
const products = compile((p: Tree, v: Tree[], t: np.Array) => {
  const found = hessianVectorProducts(lossOn(t))(p, v);
  tree.dispose(found.gradient);
  return found.products as Tree;
}, options);

const variants: Record<string, () => Promise<unknown>> = { gradient: () => gradient(params, tokens) };
for (const count of [1, 2, 4])
  variants[`${count} × Hv`] = () => products(params, vectors.slice(0, count), tokens);
interface Times {
  readonly clock: number[];
  readonly processor: number[];
}
const times = new Map<string, Times>(
  Object.keys(variants).map((variant) => [variant, { clock: [], processor: [] }]),
);
for (let round = 0; round < Number(flags.rounds) + 2; round++) {
  for (const [variant, run] of Object.entries(variants)) {
    const [start, usage] = [performance.now(), process.cpuUsage()];
    await run();
    const clock = performance.now() - start;
    const { user, system } = process.cpuUsage(usage);
    if (round < 2) continue;
    times.get(variant)!.clock.push(clock);
    times.get(variant)!.processor.push((user + system) / 1000);
  }
}
const median = (variant: string, kind: keyof Times) => {
  const sorted = times.get(variant)![kind].toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
};
console.log(`${name}, ${flags.threads} threads; medians of ${flags.rounds} rounds`);
for (const [variant, count] of [
  ["gradient", 1],
  ["1 × Hv", 1],
  ["2 × Hv", 2],
  ["4 × Hv", 4],
] as const) {
  const [each, processor] = (["clock", "processor"] as const).map((kind) =>
    (median(variant, kind) / median("gradient", kind) / count).toFixed(2),
  );
  figure(`${variant}, ms`, median(variant, "clock"));
  console.log(
    `${variant.padEnd(9)} ${median(variant, "clock").toFixed(0)} ms: ${each} gradients each, ${processor} by processor time`,
  );
}
