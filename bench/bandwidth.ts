// Bytes a second of what only moves memory: an update of AdamW and clipping by the global norm, beside a pass that reads an array and writes another. Bytes
// are the fewest that each needs: AdamW reads parameters, gradients and two moments and writes three of them, clipping reads gradients twice and
// writes them once. In turns; seconds are those of the processor divided by the threads, so that other load counts little.
//
// npm run bench -- --part bandwidth [--megabytes 64] [--turns 15] [--threads 2]
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { init, type numpy as np, tree } from "@jax-js/jax";
import { compile, compileStep, EngineArray } from "../src/compile/index.ts";
import { adamw, applyUpdates, clipToNorm, globalNorm, type Tree } from "../src/optim/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: "string", default: "64" },
    turns: { type: "string", default: "15" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const threads = Number(flags.threads);
const side = 1024;
const numMatrices = Math.max(1, Math.round((Number(flags.megabytes) * 2 ** 20) / (4 * side * side)));
const numElements = numMatrices * side * side;
await init();

const matrices = (seed: number) =>
  Array.from({ length: numMatrices }, (_, m) => {
    const data = new Float32Array(side * side);
    for (let i = 0; i < data.length; i++) data[i] = (((i + m + seed) * 37) % 101) / 50 - 1;
    return EngineArray.from(data, [side, side]);
  }) as unknown as np.Array[];

interface Updated {
  readonly params: np.Array[];
  readonly optimizer: Tree;
}
/** Only one number comes back. */
const first = ([values]: np.Array[]) => values!.ref.slice([0, 1], [0, 1]);

const optimizer = adamw({ learningRate: 1e-3, weightDecay: 0.1 });
const copy = compileStep(
  (state: np.Array[]): [np.Array[], np.Array] => {
    const next = state.map((x) => x.mul(1.001));
    return [next, first(next)];
  },
  { threads, name: "copy" },
);
const clip = compileStep(
  (state: np.Array[]): [np.Array[], np.Array] => {
    const clipped = clipToNorm(tree.ref(state), globalNorm(state), 1) as np.Array[];
    return [clipped, first(clipped)];
  },
  { threads, name: "clip" },
);
const update = compileStep(
  (state: Updated, gradients: np.Array[]): [Updated, np.Array] => {
    const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
    const params = applyUpdates(state.params, updates) as np.Array[];
    return [{ params, optimizer: next }, first(params)];
  },
  { threads, name: "adamw" },
);
await using begin = compile((params: np.Array[]) => optimizer.init(params), { outputs: "engine" });

const gradients = matrices(1);
using copied = await copy.init(matrices(0));
using clipped = await clip.init(matrices(0));
using updated = await update.init({ params: matrices(0), optimizer: (await begin(matrices(0))) as Tree });
const chains = [
  { name: "copy", bytes: 8, run: () => copy(copied) },
  { name: "AdamW", bytes: 28, run: () => update(updated, gradients) },
  { name: "clipping", bytes: 12, run: () => clip(clipped) },
];
const seconds = new Map<string, number[]>(chains.map(({ name }) => [name, []]));
for (let turn = -2; turn < Number(flags.turns); turn++) {
  for (const { name, run } of chains) {
    const start = process.cpuUsage();
    (await run()).dispose();
    const { user, system } = process.cpuUsage(start);
    // The first ones make the buffers.
    if (turn >= 0) seconds.get(name)!.push((user + system) / 1e6 / threads);
  }
}
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
console.log(
  `${cpus()[0]!.model}, ${threads} threads: ${numMatrices} matrices of ${side}², medians of ${flags.turns} turns, at a load of ${loadavg()[0]!.toFixed(0)}; bytes are the fewest`,
);
const rate = (name: string, bytes: number) => (bytes * numElements) / median(seconds.get(name)!);
for (const { name, bytes } of chains) {
  figure(`${name}: ms`, 1000 * median(seconds.get(name)!));
  const share = rate(name, bytes) / rate("copy", 8);
  console.log(
    `${name.padEnd(9)} ${(1000 * median(seconds.get(name)!)).toFixed(1).padStart(7)} ms, ${bytes} bytes an element: ${(rate(name, bytes) / 1e9).toFixed(1)} GB/s, ${share.toFixed(2)} of a copy's`,
  );
}
for (const one of [copy, clip, update]) await one.dispose();
