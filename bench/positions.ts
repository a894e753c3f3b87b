import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { init, numpy as np, random, tree, valueAndGrad } from "@jax-js/jax";
import { type CompileOptions, compile, compileStep, graphRewrites, toEngine } from "../src/compile/index.ts";
import {
  crossEntropy,
  initMultimodalCache,
  initTransformer,
  type MultimodalConfig,
  type MultimodalInputs,
  multimodalDecode,
  multimodalTransformer,
  resolveMultimodalConfig,
  type TransformerParams,
} from "../src/nn/index.ts";
import { adamw, applyUpdates, type Tree } from "../src/optim/index.ts";
import {
  advance,
  advanceFrame,
  type Document,
  type Layout,
  type LayoutName,
  layoutPositions,
  layouts,
  type RotaryPairing,
  startCursor,
  type TokenPositions,
} from "../src/position/index.ts";
import { figure } from "./figures.ts";
import { profileOf, sumOf } from "./profile.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "13" },
    only: { type: "string", multiple: true, default: ["steps", "layouts", "generation"] },
    "first-call": { type: "string" },
  },
});
const rounds = Number(flags.rounds);
await init();

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Processor time in milliseconds. */
async function time(body: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await body();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/**
 * Median times of variants that take turns, each round beginning with another one, and the quartiles of each one's ratio to the first:
 * the quartiles of one variant lie as far apart as the machine is unsteady.
 */
async function compare(variants: readonly (() => Promise<unknown>)[], count: number) {
  const times = variants.map((): number[] => []);
  for (let round = -2; round < count; round++) {
    for (let turn = 0; turn < variants.length; turn++) {
      const i = (turn + round + 2) % variants.length;
      const taken = await time(variants[i]!);
      if (round >= 0) times[i]!.push(taken);
    }
  }
  return times.map((own) => {
    const ratios = own.map((value, round) => value / times[0]![round]!).sort((a, b) => a - b);
    const [low, ratio, high] = [0.25, 0.5, 0.75].map(
      (part) => ratios[Math.round(part * (ratios.length - 1))]!,
    ) as [number, number, number];
    return { ms: median(own), ratio, low, high };
  });
}

interface StepSize {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly batch: number;
  readonly length: number;
}

interface Variant {
  readonly name: string;
  /** Null: no positions. */
  readonly numAxes: number | null;
  readonly pairing?: RotaryPairing;
  /** Whether the compiler may make one operator of a rotation. Default true. */
  readonly fused?: boolean;
}

const vocabSize = 512;

function configOf({ layers, dim, heads, length }: StepSize, { numAxes, pairing = "half" }: Variant) {
  return resolveMultimodalConfig({
    vocabSize,
    numLayers: layers,
    modelDim: dim,
    numHeads: heads,
    qkNorm: false,
    maxLength: length,
    position: numAxes === null ? "none" : "rope",
    numAxes: numAxes ?? 1,
    ropePairing: pairing,
  });
}

interface State {
  readonly params: TransformerParams;
  readonly optimizer: Tree;
}

/** A training step of AdamW on text, whose positions are an input `float32[B, L, A]`, ready to run. */
async function trainingStep(size: StepSize, variant: Variant, options: CompileOptions) {
  const { batch, length } = size;
  const config = configOf(size, variant);
  const optimizer = adamw({ learningRate: 1e-3, weightDecay: 0.1 });
  const rewrites =
    variant.fused === false ? graphRewrites.filter((name) => name !== "rotary") : graphRewrites;
  const step = compileStep(
    (state: State, tokens: np.Array, positions: np.Array): [State, np.Array] => {
      const inputs = { tokens: tokens.ref.slice([], [0, length]), positions };
      const targets = tokens.slice([], [1, length + 1]);
      const [loss, gradients] = valueAndGrad((params: TransformerParams) =>
        crossEntropy(multimodalTransformer(params, inputs, config).logits, targets),
      )(tree.ref(state.params)) as [np.Array, Tree];
      const [updates, next] = optimizer.update(gradients, state.optimizer, tree.ref(state.params));
      return [{ params: applyUpdates(state.params, updates) as TransformerParams, optimizer: next }, loss];
    },
    { threads: 1, rewrites, ...options },
  );
  const params = initTransformer(random.key(0), config);
  const state = await step.init({ params, optimizer: optimizer.init(tree.ref(params)) });
  const tokens = Int32Array.from({ length: batch * (length + 1) }, (_, i) => (i * 7919) % vocabSize);
  const positions = Float32Array.from({ length: batch * length * config.numAxes }, (_, i) => (i % 97) / 2);
  return {
    run: async () =>
      (
        await step(
          state,
          np.array(tokens, { shape: [batch, length + 1] }),
          np.array(positions, { shape: [batch, length, config.numAxes] }),
        )
      ).dispose(),
    async [Symbol.asyncDispose]() {
      state.dispose();
      await step.dispose();
    },
  };
}

/** Share of the kernels' time that rotations and their tables take, by ONNX Runtime's own profile. */
async function kernelShare(size: StepSize, variant: Variant): Promise<number> {
  const { kernels: times } = await profileOf(async (prefix) => {
    const step = await trainingStep(size, variant, { profile: prefix });
    for (let i = 0; i < 5; i++) await step.run();
    await step[Symbol.asyncDispose]();
  });
  return sumOf(times, ["RotaryEmbedding", "Sin", "Cos"]) / sumOf(times);
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
const added = ({ ratio, low, high }: { ratio: number; low: number; high: number }) =>
  `${percent(ratio - 1)} (${(100 * (low - 1)).toFixed(1)} to ${(100 * (high - 1)).toFixed(1)})`;

async function measureSteps(): Promise<void> {
  const variants: Variant[] = [
    { name: "no positions", numAxes: null },
    { name: "1 axis", numAxes: 1 },
    { name: "2 axes", numAxes: 2 },
    { name: "3 axes", numAxes: 3 },
    { name: "1 axis, interleaved pairs", numAxes: 1, pairing: "interleaved" },
    { name: "1 axis, not fused", numAxes: 1, fused: false },
    { name: "1 axis, interleaved pairs, not fused", numAxes: 1, pairing: "interleaved", fused: false },
  ];
  for (const [size, count] of [
    [{ layers: 4, dim: 256, heads: 4, batch: 8, length: 128 }, rounds],
    [{ layers: 8, dim: 512, heads: 8, batch: 4, length: 256 }, rounds],
  ] as const) {
    console.log(
      `training step, d ${size.dim}, ${size.layers} layers, ${size.batch * size.length} tokens: ms, added to the step without positions (quartiles), share of the kernels`,
    );
    const steps = [];
    for (const variant of variants) steps.push(await trainingStep(size, variant, {}));
    const measured = await compare(
      steps.map(({ run }) => run),
      count,
    );
    for (const step of steps) await step[Symbol.asyncDispose]();
    for (const [i, result] of measured.entries()) {
      const { name, fused = true, numAxes } = variants[i]!;
      const share = fused && numAxes !== null ? percent(await kernelShare(size, variants[i]!)) : "";
      figure(`step, d ${size.dim}, ${name}, ms`, result.ms);
      console.log(
        `${name.padEnd(38)}${result.ms.toFixed(0).padStart(6)} ${(i === 0 ? "" : added(result)).padStart(24)} ${share.padStart(7)}`,
      );
    }
  }
}

/** 100,000 tokens. */
const longDocument: Document = Array.from({ length: 200 }, () => [
  { kind: "text", length: 244 } as const,
  { kind: "image", height: 16, width: 16 } as const,
]).flat();

/** Wall-clock time in milliseconds. */
function timeLayout(layout: Layout): number {
  const start = performance.now();
  layoutPositions(layout, longDocument);
  return performance.now() - start;
}

/** The same for the first call in a process, which nothing was compiled for. */
function timeFirstCall(name: string): number {
  const result = execFileSync(process.execPath, [import.meta.filename, "--first-call", name], {
    encoding: "utf8",
  });
  return Number(result);
}

function measureLayouts(): void {
  console.log(
    "position ids of 100,000 tokens with 200 images of 16 × 16, ms: first call of a process, median and least of 9; median of later calls",
  );
  for (const [name, layout] of Object.entries(layouts)) {
    const first = Array.from({ length: 9 }, () => timeFirstCall(name));
    for (let i = 0; i < 10; i++) timeLayout(layout);
    const later = Array.from({ length: 101 }, () => timeLayout(layout));
    figure(`ids, ${name}, ms`, median(later));
    console.log(
      `${name.padEnd(38)}${[median(first), Math.min(...first), median(later)].map((value) => value.toFixed(2).padStart(7)).join("")}`,
    );
  }
}

/** Positions of text and then of frames that nobody announced, token by token. */
function* growing(layout: Layout, length: number): Generator<Float32Array<ArrayBuffer>> {
  const [text, frame] = [16, { height: 4, width: 4 }];
  let { positions, cursor } = advance(layout, startCursor, { kind: "text", length: text });
  for (let count = 0, token = 0; count < length; count++, token++) {
    if (token * positions.numAxes === positions.values.length) {
      ({ positions, cursor } = advanceFrame(layout, cursor, frame));
      token = 0;
    }
    yield vector(positions, token);
  }
}

const vector = ({ values, numAxes }: TokenPositions, token: number) =>
  Float32Array.from(values.subarray(token * numAxes, (token + 1) * numAxes));

/** Generation of one token after the other into a cache of 256 places. */
async function generation(layout: Layout) {
  const size = { layers: 4, dim: 256, heads: 4, batch: 1, length: 256 };
  const numAxes = layout.axes.length;
  const config: MultimodalConfig = configOf(size, { name: layout.name, numAxes });
  const params = await toEngine(initTransformer(random.key(0), config));
  const step = compileStep(
    (
      cache: ReturnType<typeof initMultimodalCache>,
      own: TransformerParams,
      inputs: MultimodalInputs,
      place: np.Array,
    ): [typeof cache, np.Array] => {
      const result = multimodalDecode(own, cache, inputs, place, config);
      return [result.cache, result.outputs.logits];
    },
    { threads: 1, outputs: "engine" },
  );
  await using empty = compile(() => initMultimodalCache(config, 1, size.length), {
    threads: 1,
    outputs: "engine",
  });
  const cache = await step.init(await empty());
  return async () => {
    let place = 0;
    for (const position of growing(layout, 128)) {
      const inputs = {
        tokens: np.array(Int32Array.of((place * 31) % vocabSize), { shape: [1, 1] }),
        positions: np.array(position, { shape: [1, 1, numAxes] }),
      };
      await step(cache, params, inputs, np.array(place++, { dtype: np.int32 }));
    }
  };
}

async function measureGeneration(): Promise<void> {
  const chosen = [layouts.flat, layouts["streaming-3d"], layouts.mrope];
  const runs = [];
  for (const layout of chosen) runs.push(await generation(layout));
  console.log(
    "generation of 128 tokens, d 256, 4 layers, cache of 256 places: ms per token, added to one axis (quartiles)",
  );
  for (const [i, result] of (await compare(runs, rounds)).entries()) {
    const { name, axes } = chosen[i]!;
    figure(`token, ${name}, ms`, result.ms / 128);
    console.log(
      `${`${name}, ${axes.length === 1 ? "1 axis" : `${axes.length} axes`}`.padEnd(38)}${(result.ms / 128).toFixed(2).padStart(6)} ${(i === 0 ? "" : added(result)).padStart(24)}`,
    );
  }
}

if (flags["first-call"] !== undefined) {
  console.log(timeLayout(layouts[flags["first-call"] as LayoutName]));
} else {
  if (flags.only.includes("steps")) await measureSteps();
  if (flags.only.includes("layouts")) measureLayouts();
  if (flags.only.includes("generation")) await measureGeneration();
}
