// Compares training steps: Rotor, jax-js's own jit, and PyTorch and JAX if a Python with them is given. Every library runs in a
// process of its own, with the same model, batch and number of threads; they take turns step by step, so that other load meets all,
// and ratios are medians over turns. Prints a section of bench/README.md. What was measured is kept in bench/steps.json: with --filter only some models are measured again, with --resume
// only those that the file lacks, and with --preparation only what comes before the first step.
//
// npm run bench -- --part steps [--python python3] [--install] [--turns 7] [--filter "d 256"] [--resume] [--preparation] [--threads 2]
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchCase, benchCases } from "./cases.ts";
import { figure } from "./figures.ts";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    python: { type: "string" },
    install: { type: "boolean", default: false },
    turns: { type: "string", default: "7" },
    filter: { type: "string", default: "" },
    resume: { type: "boolean", default: false },
    preparation: { type: "boolean", default: false },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const threads = Number(flags.threads);
const turns = Number(flags.turns);

interface Measured {
  readonly medianMs?: number;
  /** Of a step in each turn. */
  readonly times?: readonly number[];
  readonly firstMs: number;
  readonly stateMs?: number;
  readonly prepareMs?: number;
  readonly peakBytes: number;
  readonly library?: string;
  readonly productsMs?: number;
  readonly runMs?: number;
  readonly matmulPeak?: number;
  readonly flops?: number;
  readonly rssEarly?: number;
  readonly rssLate?: number;
  readonly without?: Readonly<Record<string, number>>;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function lastJson(output: string): Measured | null {
  const line = output.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? (JSON.parse(line) as Measured) : null;
}

/** Steps before the turns that count. */
const warmup = 2;
/** The threads of the process before still look for work for a moment. */
const pauseMs = 100;

/** A process that runs a step whenever it is asked to. */
class Stepper {
  readonly library: string;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = "";

  constructor(library: string, command: string, args: readonly string[]) {
    this.library = library;
    this.#process = spawn(command, args, { env: { ...process.env, JAX_PLATFORMS: "cpu" } });
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    // A process that has ended is noticed by its output.
    this.#process.stdin!.on("error", () => {});
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async #read<T>(): Promise<T> {
    for (let line = await this.#lines.next(); line.done !== true; line = await this.#lines.next())
      if (line.value.startsWith("{")) return JSON.parse(line.value) as T;
    throw new Error(`${this.library} ended: ${this.#errors.trim().split("\n").slice(-6).join(" | ")}`);
  }

  /** Milliseconds of one step. */
  async step(): Promise<number> {
    this.#process.stdin!.write("\n");
    return (await this.#read<{ ms: number }>()).ms;
  }

  /** Ends the steps; what else was measured. */
  async finish(): Promise<Measured> {
    this.#process.stdin!.end();
    return await this.#read<Measured>();
  }
}

function runWorker(item: BenchCase, library: string, steps: number): Measured | null {
  const request = JSON.stringify({ ...item, library, steps, warmup, threads, profile: false });
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(here, "worker.ts"), request], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  const result = lastJson(stdout);
  if (result === null)
    console.error(`${library}, ${item.name}: ${stderr.trim().split("\n").slice(0, 6).join(" | ")}`);
  return result;
}

function findPython(): string | null {
  if (flags.install) {
    const folder = path.join(here, "../.venv");
    const python = path.join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
    if (!existsSync(python)) spawnSync("python3", ["-m", "venv", folder], { stdio: "inherit" });
    spawnSync(python, ["-m", "pip", "install", "--quiet", "torch==2.12.1", "jax==0.10.2", "optax", "numpy"], {
      stdio: "inherit",
    });
    return python;
  }
  const python = flags.python ?? "python3";
  return spawnSync(python, ["--version"]).status === 0 ? python : null;
}

const canImport = (modules: string) =>
  python !== null && spawnSync(python, ["-c", `import ${modules}`]).status === 0;

function startWorker(item: BenchCase, library: string): Stepper {
  const request = { ...item, library, steps: 0, warmup, threads, profile: library === "rotor" };
  return new Stepper(library, process.execPath, [path.join(here, "worker.ts"), JSON.stringify(request)]);
}

function startPython(
  library: string,
  script: string,
  { name: _, ...item }: BenchCase,
  mode: string,
): Stepper {
  const options = Object.entries({ ...item, mode, threads }).flatMap(([key, value]) => [
    `--${key}`,
    String(value),
  ]);
  return new Stepper(library, python!, [path.join(here, script), ...options]);
}

const python = findPython();
const hasTorch = canImport("torch");
const hasJax = canImport("jax, optax");
if (!hasTorch || !hasJax) {
  console.error("PyTorch or JAX is missing: give a Python that has them with --python, or --install");
}
const format = (value: number | undefined, digits = 0) => (value === undefined ? "–" : value.toFixed(digits));
const ratio = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? "–" : (a / b).toFixed(2);
const seconds = (ms: readonly number[] | undefined) =>
  ms === undefined ? "–" : (median(ms) / 1000).toFixed(2);
const mib = (value: number | undefined) => (value === undefined ? "–" : String(Math.round(value / 2 ** 20)));

const rows: string[][] = [];
const memoryRows: string[][] = [];
const rotorMs = new Map<string, number>();
let torchVersion = "";
let jaxVersion = "";
/** All that was measured of a model, by library. */
type CaseResults = Record<string, Measured>;
interface KeptCase {
  readonly date: string;
  readonly processor: string;
  readonly results: CaseResults;
}
/** What Rotor does before the first step, in several processes that had the machine for themselves. */
interface KeptPreparation {
  readonly date: string;
  readonly processor: string;
  readonly prepareMs: readonly number[];
  readonly stateMs: readonly number[];
}
interface Kept {
  readonly cases: Record<string, KeptCase>;
  readonly preparation: Record<string, KeptPreparation>;
  growth: Measured | null;
  rewrites: Measured | null;
}
const file = path.join(here, "steps.json");
const kept: Kept = existsSync(file)
  ? (JSON.parse(readFileSync(file, "utf8")) as Kept)
  : { cases: {}, preparation: {}, growth: null, rewrites: null };
const save = () => writeFileSync(file, `${JSON.stringify(kept, null, 1)}\n`);
const keyOf = ({ name, optimizer }: BenchCase) => `${name}, ${optimizer}`;

async function measureCase(item: BenchCase): Promise<CaseResults> {
  const starts = [() => startWorker(item, "rotor")];
  if (hasTorch) {
    starts.push(() => startPython("eager", "pytorchStep.py", item, "eager"));
    starts.push(() => startPython("compiled", "pytorchStep.py", item, "compile"));
  }
  if (hasJax) starts.push(() => startPython("jax", "jaxStep.py", item, "jit"));
  if (item.dim === 256 && item.length * item.batch <= 1024) starts.push(() => startWorker(item, "jax-js"));
  const steppers: Stepper[] = [];
  const times = new Map<string, number[]>();
  const measured: CaseResults = {};
  const failed = new Set<Stepper>();
  /** A library that can't (torch.compile without a C compiler, say) is left out. */
  const attempt = async (stepper: Stepper, run: () => Promise<void>) => {
    if (failed.has(stepper)) return;
    try {
      await run();
    } catch (error) {
      console.error(`${item.name}: ${(error as Error).message}`);
      failed.add(stepper);
    }
  };
  const takeStep = (stepper: Stepper) =>
    attempt(stepper, async () => {
      await sleep(pauseMs);
      times.get(stepper.library)!.push(await stepper.step());
    });
  // One after the other, so that none prepares its first step beside others that are still loading.
  for (const start of starts) {
    const stepper = start();
    steppers.push(stepper);
    times.set(stepper.library, []);
    for (let i = 0; i < warmup; i++) await takeStep(stepper);
  }
  for (let turn = 0; turn < turns; turn++) for (const stepper of steppers) await takeStep(stepper);
  // Rotor's own profile comes last: the others have ended then.
  for (const stepper of steppers.reverse()) {
    await attempt(stepper, async () => {
      measured[stepper.library] = {
        ...(await stepper.finish()),
        times: times.get(stepper.library)!.slice(warmup),
      };
    });
  }
  return measured;
}

/** Processes that prepare a step. */
const preparations = 3;

function measurePreparation(item: BenchCase): Pick<KeptPreparation, "prepareMs" | "stateMs"> | null {
  const measured = Array.from({ length: preparations }, () => runWorker(item, "preparation", 0));
  return measured.includes(null)
    ? null
    : {
        prepareMs: measured.map((one) => one!.prepareMs!),
        stateMs: measured.map((one) => one!.stateMs!),
      };
}

const today = () => ({
  date: new Date().toISOString().slice(0, 10),
  processor: cpus()[0]!.model.trim(),
});

/** The highest peak seen on the processor that day: other load can only lower one. */
function peakOf({ date, processor }: KeptCase): number | undefined {
  const peaks = Object.values(kept.cases)
    .filter((other) => other.date === date && other.processor === processor)
    .flatMap(({ results }) => results.rotor?.matmulPeak ?? []);
  return peaks.length === 0 ? undefined : Math.max(...peaks);
}

for (const item of benchCases) {
  const wanted = item.name.includes(flags.filter) && !(flags.resume && keyOf(item) in kept.cases);
  if (wanted) {
    const preparation = measurePreparation(item);
    if (preparation !== null) kept.preparation[keyOf(item)] = { ...today(), ...preparation };
    if (!flags.preparation) kept.cases[keyOf(item)] = { ...today(), results: await measureCase(item) };
    save();
  }
  const keptCase = kept.cases[keyOf(item)];
  if (keptCase === undefined) continue;
  const measured = keptCase.results;
  const own = measured.rotor!;
  const ms = (library: string) => {
    const times = measured[library]?.times;
    return times === undefined ? undefined : median(times);
  };
  /** How much longer a library takes than Rotor in the same turn. */
  const against = (library: string) => {
    const times = measured[library]?.times;
    return times === undefined ? "–" : median(times.map((time, i) => time / own.times![i]!)).toFixed(2);
  };
  const peak = peakOf(keptCase);
  const peakShare = (time: number | undefined) =>
    time === undefined || peak === undefined
      ? "–"
      : `${Math.round((100 * own.flops!) / (time / 1000) / peak)} %`;
  torchVersion = measured.eager?.library?.split(" ")[1] ?? torchVersion;
  jaxVersion = measured.jax?.library?.split(" ")[1] ?? jaxVersion;
  rows.push([
    item.name,
    item.optimizer,
    format(ms("rotor")),
    ratio(own.runMs, own.productsMs),
    peakShare(ms("rotor")),
    against("jax-js"),
    format(ms("eager")),
    peakShare(ms("eager")),
    against("eager"),
    format(ms("compiled")),
    against("compiled"),
    against("jax"),
  ]);
  memoryRows.push([
    item.name,
    item.optimizer,
    seconds(kept.preparation[keyOf(item)]?.stateMs),
    seconds(kept.preparation[keyOf(item)]?.prepareMs),
    ...["rotor", "eager", "compiled", "jax"].map((library) => mib(measured[library]?.peakBytes)),
  ]);
  rotorMs.set(`${item.name} ${item.optimizer}`, ms("rotor")!);
  if (wanted && !flags.preparation) {
    figure(`${keyOf(item)}, ms`, ms("rotor")!);
    figure(`${keyOf(item)}, MiB`, own.peakBytes / 2 ** 20);
  }
  if (wanted) console.error(rows.at(-1)!.join(" | "), "||", memoryRows.at(-1)!.slice(2).join(" | "));
}

const table = (header: readonly string[], body: readonly string[][]) =>
  [header, header.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

if (flags.filter === "" && !flags.preparation && !(flags.resume && kept.growth !== null)) {
  kept.growth = runWorker(
    { ...benchCases[0]!, layers: 2, dim: 64, heads: 2, batch: 4, length: 32 },
    "rotor",
    1000,
  );
  kept.rewrites = runWorker({ ...benchCases[0]!, vocab: 4096 }, "rewrites", 15);
  save();
}
const { growth, rewrites } = kept;
const machinesOf = (measurements: Record<string, { readonly date: string; readonly processor: string }>) =>
  Object.entries(
    Object.groupBy(Object.entries(measurements), ([, { processor, date }]) => `${processor} on ${date}`),
  )
    .map(([machine, entries]) => `${machine}: ${entries!.map(([name]) => name).join("; ")}`)
    .join(".\nOn ");
const muonShares = benchCases
  .filter(({ optimizer }) => optimizer === "muon")
  .flatMap(({ name }) => {
    const [adamw, muon] = ["adamw", "muon"].map((optimizer) => rotorMs.get(`${name} ${optimizer}`));
    return adamw === undefined || muon === undefined ? [] : [`${(muon / adamw).toFixed(2)}× (${name})`];
  });
console.log(`${threads} threads, Node ${process.versions.node}${torchVersion === "" ? "" : `, PyTorch ${torchVersion}`}${jaxVersion === "" ? "" : `, JAX ${jaxVersion}`}.
One training step (forward, backward, optimizer) of a pre-norm decoder (RMSNorm, RoPE, ReLU², untied head, float32), the same in every
library; PyTorch uses its fused attention and rms_norm. Each library runs in a process of its own; they take turns step by step, so that other
load meets all. Times and ratios are medians over turns; ratios above 1 mean that Rotor is faster. The machine is shared, so differences of a
few per cent mean nothing.

${table(["model", "optimizer", "Rotor ms", "× its matrix products", "of matrix peak", "jax-js jit / Rotor", "PyTorch eager ms", "of matrix peak", "/ Rotor", "torch.compile ms", "/ Rotor", "JAX jit / Rotor"], rows)}

"× its matrix products": a step over the kernels of its matrix products, both in ONNX Runtime's own profile, which itself costs time: up to a
fifth of the smallest step.
"of matrix peak": model FLOPs (6 per parameter and token, and attention; not Muon's iterations) per second over those of a 1024³ product
in ONNX Runtime. What PyTorch reaches bounds what any engine that multiplies in float32 can win over it: 1 / its share.
A step with Muon takes, compared with AdamW: ${muonShares.join(", ") || "–"}; why, is in [Muon](../docs/methods/muon.md).
PyTorch's Muon iterates in bfloat16, Rotor's and Optax's in float32.

Measured on ${machinesOf(kept.cases)}.

${table(["model", "optimizer", "first parameters and optimizer state s", "trace, lower, load s", "Rotor MiB", "PyTorch eager MiB", "torch.compile MiB", "JAX MiB"], memoryRows)}

Seconds: before the first step, medians of ${preparations} processes that had the machine for themselves; on ${machinesOf(kept.preparation)}.
MiB: resident memory at most, of the whole process. Growth over 1,000 steps of a small model: ${growth === null ? "–" : `${mib(growth.rssEarly)} MiB after 100 steps, ${mib(growth.rssLate)} MiB after 1,000`}.

What each rewrite of the compiler saves (d 256, 4 layers, 1k tokens, 4,096 tokens of vocabulary, AdamW; all variants in one
process, step by step in turns):

${table(
  ["without", "step takes"],
  Object.entries(rewrites?.without ?? {}).map(([name, factor]) => [name, `${factor.toFixed(3)}×`]),
)}
`);
