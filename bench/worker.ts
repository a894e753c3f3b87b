import { createInterface } from "node:readline";
import { init, jit, nn, numpy as np } from "@jax-js/jax";
import {
  type CompiledStep,
  type CompileOptions,
  compile,
  compileStep,
  type EngineLeaves,
  type EngineState,
  graphRewrites,
} from "../src/compile/index.ts";
import { initialParameters } from "../src/config/index.ts";
import { flopsPerToken, type TransformerParams, transformer } from "../src/nn/index.ts";
import type { Tree } from "../src/optim/index.ts";
import { measureMatmulPeak } from "../src/train/index.ts";
import type { BenchCase } from "./cases.ts";
import { type GptState, gptStep } from "./gptStep.ts";
import { profileOf, sumOf } from "./profile.ts";

interface Request extends BenchCase {
  readonly library: "rotor" | "preparation" | "jax-js" | "rewrites" | "runtimes";
  /** 0: as many as lines are read, one for each, and each prints its milliseconds. */
  readonly steps: number;
  readonly warmup: number;
  readonly threads: number;
  /** Also measure the products alone, by ONNX Runtime's own profile. */
  readonly profile: boolean;
}

const request = JSON.parse(process.argv[2]!) as Request;
const { dim, vocab, batch, length, threads } = request;
await init();
const gpt = gptStep(request);
const { config, optimizer } = gpt;
const { step: trainingStep, initial: initialState, tokens } = gpt;
type State = GptState;

/** The initial state in the engine, made as the trainer makes it. */
async function engineState(step: CompiledStep<State, [np.Array], np.Array>): Promise<EngineState<State>> {
  const params = (await initialParameters(config, 0)) as EngineLeaves<TransformerParams>;
  await using start = compile((tree: Tree) => optimizer.init(tree), { outputs: "engine" });
  return step.init({ params, optimizer: await start(params) });
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!;

/** Waits before each step until a line asks for it. */
async function* steps() {
  if (request.steps > 0) {
    for (let i = 0; i < request.warmup + request.steps; i++) yield i;
    return;
  }
  let i = 0;
  for await (const _ of createInterface({ input: process.stdin })) yield i++;
}

async function measure(run: (step: number) => Promise<number>) {
  let firstMs = Number.NaN;
  const times: number[] = [];
  let loss = Number.NaN;
  let rssEarly = 0;
  for await (const step of steps()) {
    const start = performance.now();
    loss = await run(step);
    const ms = performance.now() - start;
    if (request.steps === 0) console.log(JSON.stringify({ ms }));
    if (step === 0) firstMs = ms;
    if (step >= request.warmup) times.push(ms);
    if (step === Math.floor(request.steps / 10)) rssEarly = process.memoryUsage().rss;
  }
  return { medianMs: median(times), firstMs, loss, rssEarly, rssLate: process.memoryUsage().rss };
}

/** What comes before the first step. */
async function preparation() {
  const begin = performance.now();
  const step = compileStep(trainingStep as (state: State, tokens: np.Array) => [State, np.Array], {
    threads,
  });
  const state = await engineState(step);
  const ready = performance.now();
  await step.prepare(state, tokens(0));
  return { stateMs: ready - begin, prepareMs: performance.now() - ready };
}

async function rotor() {
  const step = compileStep(trainingStep as (state: State, tokens: np.Array) => [State, np.Array], {
    threads,
  });
  const state = await engineState(step);
  const result = await measure(async (i) => (await (await step(state, tokens(i))).data())[0]!);
  await step.dispose();
  state.dispose();
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  if (!request.profile) return { ...result, peakBytes };
  const { kernels, runMs } = await profileOf(async (prefix) => {
    const profiled = compileStep(trainingStep as (state: State, tokens: np.Array) => [State, np.Array], {
      threads,
      profile: prefix,
    });
    const own = await engineState(profiled);
    for (let i = 0; i < (dim >= 512 ? 4 : 10); i++) (await profiled(own, tokens(i))).dispose();
    await profiled.dispose();
  });
  return {
    ...result,
    peakBytes,
    productsMs: sumOf(kernels, ["Gemm", "FusedMatMul", "MatMul"]),
    runMs,
    matmulPeak: await measureMatmulPeak({ threads }),
  };
}

/**
 * The same step for jax-js's own jit. In version 0.1.25 that fails on a scatter whose operands are views, so inputs and targets
 * come as separate arrays and the target's logit is selected by a comparison instead of gathered.
 */
function jaxJsStep(state: State, inputs: np.Array, targets: np.Array): [State, np.Array] {
  const loss = (params: TransformerParams) => {
    const logits = transformer(params, inputs, config);
    const isTarget = np.arange(vocab).equal(targets.reshape([batch, length, 1]));
    const chosen = np.where(isTarget, logits.ref, 0).sum(-1);
    return nn.logsumexp(logits, -1).sub(chosen).mean();
  };
  return gpt.stepOf(loss)(state);
}

async function jaxJs() {
  const compiled = jit(jaxJsStep as never) as unknown as typeof jaxJsStep;
  let state = initialState();
  return measure(async (i) => {
    const both = tokens(i);
    const part = (start: number) =>
      np.array(both.ref.slice([], [start, start + length]).dataSync() as Int32Array<ArrayBuffer>, {
        shape: [batch, length],
      });
    const [next, loss] = compiled(state, part(0), part(1));
    both.dispose();
    state = next;
    return (await loss.data())[0]!;
  });
}

/** Median milliseconds and processor time of a step compiled in several ways, which take turns, step by step. */
async function inTurns(variants: readonly CompileOptions[]): Promise<{ ms: number; processorMs: number }[]> {
  const compiled = await Promise.all(
    variants.map(async (options) => {
      const step = compileStep(trainingStep as (state: State, tokens: np.Array) => [State, np.Array], {
        threads,
        ...options,
      });
      return { step, state: await engineState(step), times: [] as number[], processor: [] as number[] };
    }),
  );
  for (let i = 0; i < request.warmup + request.steps; i++) {
    for (const { step, state, times, processor } of compiled) {
      const start = performance.now();
      const used = process.cpuUsage();
      (await step(state, tokens(i))).dispose();
      if (i < request.warmup) continue;
      times.push(performance.now() - start);
      const { user, system } = process.cpuUsage(used);
      processor.push((user + system) / 1000);
    }
  }
  return compiled.map(({ times, processor }) => ({ ms: median(times), processorMs: median(processor) }));
}

/** How much longer a step takes without one of the compiler's rewrites. */
async function rewrites() {
  const variants = [
    [...graphRewrites],
    ...graphRewrites.map((one) => graphRewrites.filter((r) => r !== one)),
  ];
  const [all, ...without] = await inTurns(variants.map((allowed) => ({ rewrites: allowed })));
  return {
    medianMs: all!.ms,
    without: Object.fromEntries(graphRewrites.map((name, i) => [name, without[i]!.ms / all!.ms])),
  };
}

/** A step through the runtime's library and through its Node binding. */
async function runtimes() {
  const [library, binding] = await inTurns([{ runtime: "library" }, { runtime: "binding" }]);
  return { medianMs: library!.ms, library, binding };
}

const libraries = { rotor, preparation, "jax-js": jaxJs, rewrites, runtimes };
const result = await libraries[request.library]();
console.log(
  JSON.stringify({
    peakBytes: process.resourceUsage().maxRSS * 1024,
    ...result,
    flops: flopsPerToken(config, length) * batch * length,
  }),
);
