// Compares a training step of LoRA with one of all parameters: time, as medians over turns step by step, and the most memory that the process took,
// with and without what it takes before the model is made. Each is a process of its own.
//
// npm run bench -- --part lora [--dim 768] [--layers 6] [--rank 16] [--turns 5] [--threads 1] [--batch 2]
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { init } from "@jax-js/jax";
import { flattenShapes, flattenState } from "../src/checkpoint/index.ts";
import { EngineArray, toEngine } from "../src/compile/index.ts";
import {
  adaptationOf,
  buildOptimizer,
  initialParameters,
  parseLanguageConfig,
  resolveModel,
  transformerShapes,
} from "../src/config/index.ts";
import { transformerLoss } from "../src/nn/index.ts";
import { AdaptedModel, type StepTask } from "../src/tasks/index.ts";
import { StepRunner } from "../src/train/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    dim: { type: "string", default: "768" },
    layers: { type: "string", default: "6" },
    rank: { type: "string", default: "16" },
    turns: { type: "string", default: "5" },
    threads: { type: "string", default: "1" },
    batch: { type: "string", default: "2" },
    worker: { type: "string" },
  },
});
const [modelDim, numLayers, turns] = [Number(flags.dim), Number(flags.layers), Number(flags.turns)];
const [vocabSize, batchSize, length, warmup] = [8192, Number(flags.batch), 256, 1];
const kinds = ["all parameters", "LoRA"] as const;

/** Steps whenever it is asked to, and says how long each took. */
async function work(kind: string): Promise<void> {
  await init();
  const before = process.memoryUsage.rss();
  const config = parseLanguageConfig({
    model: { numLayers, modelDim, numHeads: modelDim / 64, mlp: "swiglu", vocabSize },
    data: { tokenizer: "model" },
    from: { folder: "random", architecture: "qwen3" },
    ...(kind === "LoRA" ? { lora: { rank: Number(flags.rank), alpha: 16 } } : {}),
    optimizer: { kind: "adamw" },
    training: { steps: 1, batchSize, length, threads: Number(flags.threads) },
  });
  const model = resolveModel(config, vocabSize);
  const tokens = Int32Array.from({ length: batchSize * (length + 1) }, (_, i) => (i * 7919) % vocabSize);
  const plain: StepTask = {
    init: async (seed) => ({ params: await initialParameters(model, seed) }),
    batch: () => EngineArray.from(tokens, [batchSize, length + 1]),
    loss: (params, _variables, batch) => ({ loss: transformerLoss(params, batch, model) }),
  };
  const adaptation = adaptationOf(config, flattenShapes(transformerShapes(model)));
  let task = plain;
  if (adaptation !== null) {
    const adapted = new AdaptedModel(adaptation, {});
    const begin = async (seed: number) =>
      adapted.begin(flattenState(await toEngine(await initialParameters(model, seed))), seed);
    task = { ...plain, ...adapted.steps(plain, 0), init: async (seed) => ({ params: await begin(seed) }) };
  }
  const runner = new StepRunner(task, buildOptimizer(config), config.training);
  const state = await runner.init();
  await runner.prepare(state);
  const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  let index = 0;
  answer({ ready: true });
  for await (const _ of createInterface({ input: process.stdin })) {
    const start = performance.now();
    const { loss } = await runner.run(state, index++);
    answer({ ms: performance.now() - start, loss });
  }
  answer({ peak: process.resourceUsage().maxRSS * 1024, before });
}

interface Answer {
  readonly ms: number;
  readonly peak: number;
  readonly before: number;
}

function startWorker(kind: string): { ask: () => Promise<Answer>; end: () => Promise<Answer> } {
  const args = process.argv.slice(2);
  const child: ChildProcess = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), ...args, "--worker", kind],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const read = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${kind}: ended`);
    return JSON.parse(value) as Answer;
  };
  let ready: Promise<unknown> | null = read();
  return {
    async ask() {
      await ready;
      ready = null;
      child.stdin!.write("\n");
      return read();
    },
    async end() {
      child.stdin!.end();
      return read();
    },
  };
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

if (flags.worker !== undefined) await work(flags.worker);
else {
  const workers = kinds.map(startWorker);
  const times: number[][] = kinds.map(() => []);
  for (let turn = 0; turn < warmup + turns; turn++)
    for (const [i, worker] of workers.entries()) {
      const { ms } = await worker.ask();
      if (turn >= warmup) times[i]!.push(ms);
    }
  const memory: Answer[] = [];
  for (const worker of workers) memory.push(await worker.end());
  const gigabytes = (bytes: number) => (bytes / 2 ** 30).toFixed(2);
  console.log(
    `${numLayers} layers of width ${modelDim}, ${vocabSize} ids, ${batchSize} × ${length} tokens, AdamW, rank ${flags.rank} on all matrices, ${flags.threads} thread`,
  );
  for (const [i, kind] of kinds.entries()) {
    const { peak, before } = memory[i]!;
    console.log(
      `${kind.padEnd(15)} ${median(times[i]!).toFixed(0).padStart(6)} ms a step  ${gigabytes(peak)} GiB at most, ${gigabytes(peak - before)} without what the process takes before`,
    );
  }
  const ratio = median(times[1]!.map((time, turn) => time / times[0]![turn]!));
  const [whole, own] = memory.map(({ peak, before }) => [peak, peak - before]) as [number[], number[]];
  console.log(
    `LoRA takes ${ratio.toFixed(2)} of the time (median of ${turns} turns), ${(own[0]! / whole[0]!).toFixed(2)} of the memory, ${(own[1]! / whole[1]!).toFixed(2)} without what the process takes before`,
  );
  figure("time of a step of LoRA over one of all parameters", ratio);
  figure("memory of LoRA over that of all parameters", own[0]! / whole[0]!);
}
