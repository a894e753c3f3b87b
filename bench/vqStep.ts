// Prints what a quantizer costs in a training step: the autoencoder of the preset vq-mnist without a quantizer and with several, their
// steps in turns, so that other load meets all of them. Ratios are medians over rounds.
//
// npm run bench -- --part vq-step [--codes 8192] [--dim 16] [--batch 64] [--channels 32,64 --channels 64,128] [--rounds 15] [--threads 2]
//   [--python python3]   also times the same autoencoder in PyTorch with vector-quantize-pytorch, if that Python has both
//   [--profile vq]       also prints which kernels a step of this quantizer takes (none, vq, vq-ema, simvq, rotation)
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { init } from "@jax-js/jax";
import { buildOptimizer, parseAutoencoderConfig, resolveAutoencoder } from "../src/config/index.ts";
import { ImageSampler, mnistDigits } from "../src/data/index.ts";
import { autoencoderSteps } from "../src/tasks/index.ts";
import { initialState, trainingStep } from "../src/train/index.ts";
import { figure } from "./figures.ts";
import { profileOf } from "./profile.ts";

const { values: flags } = parseArgs({
  options: {
    codes: { type: "string", default: "8192" },
    dim: { type: "string", default: "16" },
    batch: { type: "string", default: "64" },
    channels: { type: "string", multiple: true, default: ["32,64", "64,128"] },
    rounds: { type: "string", default: "15" },
    threads: { type: "string", default: String(availableParallelism()) },
    python: { type: "string" },
    profile: { type: "string" },
  },
});
const [numCodes, dim, batchSize, rounds, threads] = [
  flags.codes,
  flags.dim,
  flags.batch,
  flags.rounds,
  flags.threads,
].map(Number) as [number, number, number, number, number];
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

const quantizers: Record<string, object> = {
  none: { kind: "none", dim },
  vq: { kind: "vq", numCodes, dim },
  "vq-ema": { kind: "vq", numCodes, dim, learning: "ema" },
  rotation: { kind: "vq", numCodes, dim, learning: "ema", gradient: "rotation" },
  simvq: { kind: "simvq", numCodes, dim },
};

await init();
const images = mnistDigits("train");
const sampler = new ImageSampler({ images, batchSize, seed: 0 });

async function open(channels: readonly number[], quantizer: object, profile?: string) {
  const config = parseAutoencoderConfig({
    task: "autoencoder",
    model: { encoder: { kind: "convolutional", channels, numBlocks: 1 }, reconstructionWeight: 10 },
    quantizer,
    optimizer: { kind: "adam", learningRate: 1e-3 },
    training: { steps: 1000, batchSize, threads, clipNorm: null },
  });
  const task = autoencoderSteps(resolveAutoencoder(config, images), sampler, config.training);
  const optimizer = buildOptimizer(config);
  const step = trainingStep(task, optimizer, null, { threads }, 1, profile);
  const state = await step.init(await initialState(task, optimizer, 0));
  let index = 0;
  return {
    times: [] as number[],
    /** Milliseconds of a step. */
    async run() {
      const batch = task.batch(index++);
      const start = performance.now();
      await (await step(state, batch)).loss.data();
      return performance.now() - start;
    },
    dispose: () => step.dispose(),
  };
}

/** Milliseconds per step and operator, by ONNX Runtime's own profile. */
async function kernels(channels: readonly number[], name: string): Promise<string> {
  const { kernels: times } = await profileOf(async (prefix) => {
    const profiled = await open(channels, quantizers[name]!, prefix);
    for (let i = 0; i < 6; i++) await profiled.run();
    await profiled.dispose();
  });
  return [...times]
    .slice(0, 12)
    .map(([operator, time]) => `${operator} ${time.toFixed(1)}`)
    .join(", ");
}

async function measure(channels: readonly number[]): Promise<void> {
  console.log(
    `${cpus()[0]!.model.trim()}, ${threads} threads: ${batchSize} digits, ${batchSize * 49} vectors of ${dim} components, ${numCodes} codes, widths ${channels.join(", ")}, Adam`,
  );
  const variants = await Promise.all(
    Object.entries(quantizers).map(async ([name, quantizer]) => ({
      name,
      ...(await open(channels, quantizer)),
    })),
  );
  for (let round = -3; round < rounds; round++) {
    for (const variant of variants) {
      const taken = await variant.run();
      if (round >= 0) variant.times.push(taken);
    }
  }
  const base = variants[0]!.times;
  for (const { name, times } of variants) {
    const ratio = median(times.map((taken, i) => taken / base[i]!));
    figure(`${name}, widths ${channels.join(", ")}, ms`, median(times));
    console.log(`${name.padEnd(10)}${median(times).toFixed(0).padStart(6)} ms a step  ${ratio.toFixed(2)}×`);
  }
  for (const variant of variants) await variant.dispose();
  if (flags.profile !== undefined)
    console.log(`${flags.profile}, ms a step: ${await kernels(channels, flags.profile)}`);

  if (flags.python !== undefined) {
    const script = path.join(import.meta.dirname, "vqPytorchStep.py");
    const options = [
      "--codes",
      numCodes,
      "--dim",
      dim,
      "--batch",
      batchSize,
      "--channels",
      ...channels,
      "--rounds",
      rounds,
      "--threads",
      threads,
    ];
    const { stdout, stderr } = spawnSync(flags.python, [script, ...options.map(String)], {
      encoding: "utf8",
    });
    console.log(stdout.trim() || stderr.trim().split("\n").at(-1));
  }
}

for (const widths of flags.channels) await measure(widths.split(",").map(Number));
