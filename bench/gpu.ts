// Prints what a training step does on a GPU. Everywhere, from the runtime's own profile, the session's transfers and the process's memory:
// kernels launched, operators on the device and on the CPU, bytes copied each way, host time, memory made and alive. On a card also its time
// beside the CPU's, in turns, and PyTorch's on the same card where that is installed. A device in software is counted on, not timed.
//
// npm run bench -- --part gpu [--steps 15] [--batch 8] [--growth 1000]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { compileStep, listAdapters } from "../src/compile/index.ts";
import { Recorder } from "../src/compile/runtime/recorder.ts";
import { flopsPerToken } from "../src/nn/index.ts";
import { type BenchCase, benchCases } from "./cases.ts";
import { figure } from "./figures.ts";
import { gptStep } from "./gptStep.ts";

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "15" },
    batch: { type: "string" },
    /** Steps of a small model over which memory must not grow. */
    growth: { type: "string", default: "1000" },
    /** Of a process that this one starts: prints the memory that steps of this case take. */
    memory: { type: "string" },
  },
});

/** Views of what is there: no kernel runs for them. */
const free = new Set(["Reshape", "Identity", "Squeeze", "Unsqueeze"]);
/** Steps whose operators are counted; the first one builds its kernels. */
const counted = 3;
/** Steps until one is done from its recording: the state comes, then each of its two ways is taken, recorded and checked. */
const recordedAfter = 7;
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Bytes of this process; a device in software takes its memory from it. */
async function memoryOf(size: BenchCase): Promise<{ before: number; after: number; alive: number }> {
  const { step, initial, tokens } = gptStep(size);
  await using compiled = compileStep(step, { device: "gpu" });
  using state = await compiled.init(initial());
  const { aliveBytes } = await compiled.inspect(state, tokens(0));
  await compiled.prepare(state, tokens(0));
  const before = process.memoryUsage.rss();
  for (let i = 0; i < recordedAfter + 2; i++) (await compiled(state, tokens(i))).dispose();
  return { before, after: process.memoryUsage.rss(), alive: aliveBytes };
}

if (flags.memory !== undefined) {
  console.log(JSON.stringify(await memoryOf(JSON.parse(flags.memory))));
  process.exit(0);
}

const adapters = listAdapters();
const isSoftware = adapters?.every(({ kind }) => kind === "software") === true;

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
  readonly ts: number;
  readonly args?: { readonly provider?: string; readonly op_name: string };
}

/** What a step does, from the runtime's profile. */
function countSteps(folder: string) {
  const events = readdirSync(folder).flatMap(
    (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as ProfileEvent[],
  );
  const counts = { kernels: 0, device: 0, host: 0, copies: 0 };
  for (const { cat, args } of events) {
    // One event of this kind for each kernel, timed by the device.
    if (cat === "Api") counts.kernels++;
    if (cat !== "Node" || args?.provider === undefined || free.has(args.op_name)) continue;
    if (args.op_name.startsWith("Memcpy")) counts.copies++;
    else if (args.provider === "CPUExecutionProvider") counts.host++;
    else counts.device++;
  }
  const each = Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [name, count / counted]),
  ) as typeof counts;
  // From the first operator to the last the host records commands; then it waits for the device.
  const recording = events.filter(({ name }) => name === "SequentialExecutor::Execute").map(({ dur }) => dur);
  return { ...each, recordingMs: Math.min(...recording.slice(1)) / 1000 };
}

/**
 * Milliseconds in which the calling thread computes for a step, of which the device's own time is no part: as usual, and with its kernels
 * recorded, in turns. Kernels are those of the case; narrow ones, as nothing is said of how long they take.
 */
async function hostTimes(size: BenchCase): Promise<{ usual: number; recorded: number }> {
  const { step, initial, tokens } = gptStep({ ...size, dim: 64, vocab: 64 });
  await using usual = compileStep(step, { device: "gpu" });
  await using recorded = compileStep(step, { device: "gpu" });
  using usualState = await usual.init(initial());
  using recordedState = await recorded.init(initial());
  const { next } = Recorder.prototype;
  const times = { usual: [] as number[], recorded: [] as number[] };
  for (let i = 0; i < Number(flags.steps) + recordedAfter; i++) {
    for (const [key, run] of [
      ["usual", () => usual(usualState, tokens(i))],
      ["recorded", () => recorded(recordedState, tokens(i))],
    ] as const) {
      Recorder.prototype.next = key === "usual" ? () => ({ mode: "plain", id: 0 }) : next;
      const start = process.threadCpuUsage();
      (await run()).dispose();
      const { user, system } = process.threadCpuUsage(start);
      if (i >= recordedAfter) times[key].push((user + system) / 1000);
    }
  }
  Recorder.prototype.next = next;
  // The system counts in ticks, so that only sums say something.
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return { usual: mean(times.usual), recorded: mean(times.recorded) };
}

/** PyTorch's step on a card, or why there is none. */
function pytorch(size: BenchCase, dtype: "float32" | "bfloat16"): number | string {
  const script = path.join(path.dirname(fileURLToPath(import.meta.url)), "pytorchStep.py");
  const python = process.env.ROTOR_PYTHON ?? "python3";
  const options = (["layers", "dim", "heads", "vocab", "batch", "length", "optimizer"] as const).flatMap(
    (name) => [`--${name}`, String(size[name])],
  );
  const numSteps = Number(flags.steps) + 3;
  const { status, stdout, stderr } = spawnSync(
    python,
    [script, ...options, "--device", "gpu", "--dtype", dtype],
    { encoding: "utf8", input: "\n".repeat(numSteps) },
  );
  if (status !== 0) return (stderr ?? "no Python").trim().split("\n").at(-1) ?? "no Python";
  const times = stdout.split("\n").flatMap((line) => {
    const { ms } = line === "" ? {} : (JSON.parse(line) as { ms?: number });
    return ms === undefined ? [] : [ms];
  });
  return median(times.slice(3));
}

console.log(
  `${cpus()[0]!.model.trim()}; ${adapters?.map(({ name, driver }) => `${name} (${driver})`).join(", ") || "a GPU that Vulkan doesn't list"}`,
);
for (const size of benchCases.filter(({ dim, batch }) => dim === 256 && batch === 8)) {
  const { name, layers, dim, optimizer } = size;
  // What is counted doesn't depend on how many tokens there are, and software takes minutes for many.
  const own = {
    ...size,
    length: isSoftware ? 16 : size.length,
    batch: Number(flags.batch ?? (isSoftware ? 1 : size.batch)),
  };
  const { step, initial, tokens, config } = gptStep(own);
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-gpu-"));
  try {
    const profiled = compileStep(step, { device: "gpu", profile: path.join(folder, "profile") });
    const state = await profiled.init(initial());
    const bytes: { up: number; down: number }[] = [];
    for (let i = 0; i < counted; i++) {
      (await profiled(state, tokens(i))).dispose();
      bytes.push(profiled.transferred());
    }
    await using onCpu = compileStep(step, { device: "cpu" });
    using other = await onCpu.init(initial());
    const { operators } = await onCpu.inspect(other, tokens(0));
    const onlyCpu = Object.entries(operators).reduce(
      (sum, [op, count]) => sum + (free.has(op) ? 0 : count),
      0,
    );
    state.dispose();
    await profiled.dispose();
    const { kernels, host: left, copies, recordingMs } = countSteps(folder);
    const [up, down] = [bytes[1]!.up - bytes[0]!.up, bytes[1]!.down - bytes[0]!.down];
    figure(`${name}, ${optimizer}, kernels`, kernels);
    figure(`${name}, ${optimizer}, operators on the CPU`, left);
    console.log(
      `d ${dim}, ${layers} layers, ${own.batch * own.length} tokens, ${optimizer}: ${kernels} kernels (${Math.round((100 * kernels) / onlyCpu)} % of the ${onlyCpu} operators of the CPU's graph), ${left} operators on the CPU, ${copies} copies between; ${up} bytes up, ${down} down a step; the host records for ${recordingMs.toFixed(1)} ms, ${((1000 * recordingMs) / kernels).toFixed(0)} µs a kernel`,
    );
    const host = await hostTimes(own);
    figure(`${name}, ${optimizer}, host time, ms`, host.recorded);
    console.log(
      `  the calling thread computes for ${host.recorded.toFixed(2)} ms a step once its kernels are recorded, ${host.usual.toFixed(2)} ms as usual`,
    );
    if (isSoftware) continue;

    await using onGpu = compileStep(step, { device: "gpu" });
    using there = await onGpu.init(initial());
    const times = { cpu: [] as number[], gpu: [] as number[] };
    for (let i = 0; i < Number(flags.steps) + 3; i++) {
      for (const [key, run] of [
        ["cpu", () => onCpu(other, tokens(i))],
        ["gpu", () => onGpu(there, tokens(i))],
      ] as const) {
        const start = performance.now();
        (await run()).dispose();
        if (i >= 3) times[key].push(performance.now() - start);
      }
    }
    const [cpu, gpu] = [median(times.cpu), median(times.gpu)];
    const flops = flopsPerToken(config, own.length) * own.batch * own.length;
    figure(`${name}, ${optimizer}, gpu, ms`, gpu);
    console.log(
      `  ${gpu.toFixed(2)} ms a step (${(flops / gpu / 1e9).toFixed(2)} TFLOP/s), ${(cpu / gpu).toFixed(2)} times as fast as the CPU (${cpu.toFixed(1)} ms); the calling thread computes for ${((100 * host.recorded) / gpu).toFixed(1)} % of it`,
    );
    for (const dtype of ["float32", "bfloat16"] as const) {
      const theirs = pytorch(own, dtype);
      console.log(
        typeof theirs === "string"
          ? `  PyTorch, ${dtype}: not measured (${theirs})`
          : `  PyTorch, ${dtype}: ${theirs.toFixed(2)} ms, ${(theirs / gpu).toFixed(2)} of Rotor's`,
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a case takes in a process of its own. */
function measured(size: BenchCase): Awaited<ReturnType<typeof memoryOf>> {
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), "--memory", JSON.stringify(size)],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  if (status !== 0) throw new Error("the process that measures memory failed");
  return JSON.parse(stdout.trim().split("\n").at(-1)!);
}

const small: BenchCase = {
  ...benchCases[0]!,
  layers: 1,
  dim: 64,
  heads: 2,
  batch: 1,
  length: 64,
};
if (isSoftware) {
  // Kernels take memory too, which sizes don't change: of two batch sizes the difference is the tensors'.
  const [little, much] = [measured({ ...small, batch: 8 }), measured({ ...small, batch: 56 })];
  const made = much.after - much.before - (little.after - little.before);
  const alive = much.alive - little.alive;
  figure("memory made / alive", made / alive);
  console.log(
    `memory of activations: ${mebibytes(made)} made for ${mebibytes(alive)} alive at once (${(made / alive).toFixed(2)}×)`,
  );
} else console.log("memory: only counted on a device in software, which takes it from the process");

const numSteps = Number(flags.growth);
const tiny = gptStep({ ...small, dim: 16, length: 8 });
await using growing = compileStep(tiny.step, { device: "gpu" });
using grown = await growing.init(tiny.initial());
const resident: number[] = [];
for (let i = 0; i < numSteps; i++) {
  (await growing(grown, tiny.tokens(i))).dispose();
  if (i === Math.floor(numSteps / 10) || i === numSteps - 1) resident.push(process.memoryUsage.rss());
}
console.log(
  `resident memory: ${mebibytes(resident[0]!)} after ${Math.floor(numSteps / 10)} steps of a small model, ${mebibytes(resident.at(-1)!)} after ${numSteps}`,
);
if (isSoftware) console.log("no hardware adapter here: not timed, neither is PyTorch or jax-js on a card");
