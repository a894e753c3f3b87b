// Compares training steps: Rotor, jax-js's own jit, and PyTorch and JAX if a Python with them is given. Every library runs in a
// process of its own, with the same model, batch and number of threads, in turns; ratios are of medians. Prints a section of
// bench/README.md. What was measured is kept in bench/steps.json: with --filter only some models are measured again, and with --resume
// only those that the file lacks.
//
// npm run bench -- --part steps [--python python3] [--install] [--rounds 3] [--filter "d 256"] [--resume] [--threads 2]
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchCase, benchCases } from "./cases.ts";

const here = path.dirname(fileURLToPath(import.meta.url));
const { values: flags } = parseArgs({
  options: {
    python: { type: "string" },
    install: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    filter: { type: "string", default: "" },
    resume: { type: "boolean", default: false },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const threads = Number(flags.threads);
const rounds = Number(flags.rounds);

interface Measured {
  readonly medianMs: number;
  readonly firstMs: number;
  readonly prepareMs?: number;
  readonly peakBytes: number;
  readonly library?: string;
  readonly productsMs?: number;
  readonly kernelsMs?: number;
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

/** Large models take long and vary little from step to step. */
const stepsOf = ({ dim }: BenchCase) => (dim >= 512 ? 3 : 12);
const warmupOf = ({ dim }: BenchCase) => (dim >= 512 ? 1 : 2);

function runWorker(item: BenchCase, library: string, steps: number, profile = false): Measured | null {
  const request = JSON.stringify({ ...item, library, steps, warmup: warmupOf(item), threads, profile });
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

function runPython(script: string, item: BenchCase, mode: string, steps: number): Measured | null {
  const options = Object.entries({ ...item, mode, threads, steps, warmup: warmupOf(item), name: undefined })
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) => [`--${key}`, String(value)]);
  const { stdout, stderr } = spawnSync(python!, [path.join(here, script), ...options], {
    encoding: "utf8",
    env: { ...process.env, JAX_PLATFORMS: "cpu" },
  });
  const result = lastJson(stdout);
  if (result === null) console.error(`${script} ${mode}, ${item.name}: ${stderr.trim().split("\n").at(-1)}`);
  return result;
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
const mib = (value: number | undefined) => (value === undefined ? "–" : String(Math.round(value / 2 ** 20)));

const rows: string[][] = [];
const memoryRows: string[][] = [];
const rotorMs = new Map<string, number>();
let torchVersion = "";
let jaxVersion = "";
/** All that was measured of a model: by library, one result per round. */
type CaseResults = Record<string, Measured[]>;
interface KeptCase {
  readonly date: string;
  readonly processor: string;
  readonly results: CaseResults;
}
interface Kept {
  readonly cases: Record<string, KeptCase>;
  growth: Measured | null;
  rewrites: Measured | null;
}
const file = path.join(here, "steps.json");
const kept: Kept = existsSync(file)
  ? (JSON.parse(readFileSync(file, "utf8")) as Kept)
  : { cases: {}, growth: null, rewrites: null };
const save = () => writeFileSync(file, `${JSON.stringify(kept, null, 1)}\n`);
const keyOf = ({ name, optimizer }: BenchCase) => `${name}, ${optimizer}`;

function measureCase(item: BenchCase): CaseResults {
  const steps = stepsOf(item);
  const measured: CaseResults = {};
  const note = (library: string, result: Measured | null) => {
    if (result === null) return;
    measured[library] = [...(measured[library] ?? []), result];
  };
  for (let round = 0; round < rounds; round++) {
    note("rotor", runWorker(item, "rotor", steps, round === 0));
    if (hasTorch) {
      note("eager", runPython("pytorchStep.py", item, "eager", steps));
      note("compiled", runPython("pytorchStep.py", item, "compile", steps));
    }
    if (hasJax) note("jax", runPython("jaxStep.py", item, "jit", steps));
  }
  if (item.dim === 256 && item.length * item.batch <= 1024) note("jax-js", runWorker(item, "jax-js", 3));
  return measured;
}

/** The highest peak seen on the processor that day: other load can only lower one. */
function peakOf({ date, processor }: KeptCase): number | undefined {
  const peaks = Object.values(kept.cases)
    .filter((other) => other.date === date && other.processor === processor)
    .flatMap(({ results }) => results.rotor ?? [])
    .flatMap(({ matmulPeak }) => matmulPeak ?? []);
  return peaks.length === 0 ? undefined : Math.max(...peaks);
}

for (const item of benchCases) {
  const wanted = item.name.includes(flags.filter) && !(flags.resume && keyOf(item) in kept.cases);
  if (wanted) {
    kept.cases[keyOf(item)] = {
      date: new Date().toISOString().slice(0, 10),
      processor: cpus()[0]!.model.trim(),
      results: measureCase(item),
    };
    save();
  }
  const keptCase = kept.cases[keyOf(item)];
  if (keptCase === undefined) continue;
  const measured = keptCase.results;
  const ms = (library: string) => {
    const results = measured[library];
    return results === undefined ? undefined : median(results.map(({ medianMs }) => medianMs));
  };
  const own = measured.rotor![0]!;
  const peak = peakOf(keptCase);
  const peakShare = (time: number | undefined) =>
    time === undefined || peak === undefined
      ? "–"
      : `${Math.round((100 * own.flops!) / (time / 1000) / peak)} %`;
  torchVersion = measured.eager?.[0]?.library?.split(" ")[1] ?? torchVersion;
  jaxVersion = measured.jax?.[0]?.library?.split(" ")[1] ?? jaxVersion;
  rows.push([
    item.name,
    item.optimizer,
    format(ms("rotor")),
    ratio(ms("rotor"), own.productsMs),
    peakShare(ms("rotor")),
    ratio(ms("jax-js"), ms("rotor")),
    format(ms("eager")),
    peakShare(ms("eager")),
    ratio(ms("eager"), ms("rotor")),
    format(ms("compiled")),
    ratio(ms("compiled"), ms("rotor")),
    ratio(ms("jax"), ms("rotor")),
  ]);
  memoryRows.push([
    item.name,
    item.optimizer,
    format(own.prepareMs === undefined ? undefined : own.prepareMs / 1000, 2),
    ...["rotor", "eager", "compiled", "jax"].map((library) => {
      const results = measured[library];
      return mib(results === undefined ? undefined : median(results.map(({ peakBytes }) => peakBytes)));
    }),
  ]);
  rotorMs.set(`${item.name} ${item.optimizer}`, ms("rotor")!);
  if (wanted) console.error(rows.at(-1)!.join(" | "), "||", memoryRows.at(-1)!.slice(2).join(" | "));
}

const table = (header: readonly string[], body: readonly string[][]) =>
  [header, header.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

if (flags.filter === "" && !(flags.resume && kept.growth !== null)) {
  kept.growth = runWorker(
    { ...benchCases[0]!, layers: 2, dim: 64, heads: 2, batch: 4, length: 32 },
    "rotor",
    1000,
  );
  kept.rewrites = runWorker({ ...benchCases[0]!, vocab: 4096 }, "rewrites", 15);
  save();
}
const { growth, rewrites } = kept;
const machines = [
  ...new Set(Object.values(kept.cases).map(({ processor, date }) => `${processor} on ${date}`)),
].map(
  (machine) =>
    `${machine}: ${Object.entries(kept.cases)
      .filter(([, { processor, date }]) => `${processor} on ${date}` === machine)
      .map(([name]) => name)
      .join("; ")}`,
);
const muonShares = benchCases
  .filter(({ optimizer }) => optimizer === "muon")
  .flatMap(({ name }) => {
    const [adamw, muon] = ["adamw", "muon"].map((optimizer) => rotorMs.get(`${name} ${optimizer}`));
    return adamw === undefined || muon === undefined ? [] : [`${(muon / adamw).toFixed(2)}× (${name})`];
  });
console.log(`${threads} threads, Node ${process.versions.node}${torchVersion === "" ? "" : `, PyTorch ${torchVersion}`}${jaxVersion === "" ? "" : `, JAX ${jaxVersion}`}.
One training step (forward, backward, optimizer) of a pre-norm decoder (RMSNorm, RoPE, ReLU², untied head, float32), the same in every
library; PyTorch uses its fused attention and rms_norm. Each library runs in a process of its own, in turns; times are medians of
${rounds} rounds, ratios above 1 mean that Rotor is faster. The machine is shared, so differences of a few per cent mean nothing.

${table(["model", "optimizer", "Rotor ms", "× its matrix products", "of matrix peak", "jax-js jit / Rotor", "PyTorch eager ms", "of matrix peak", "/ Rotor", "torch.compile ms", "/ Rotor", "JAX jit / Rotor"], rows)}

"× its matrix products": the step's time over the time that the kernels of its matrix products take in ONNX Runtime's own profile.
"of matrix peak": model FLOPs (6 per parameter and token, and attention; not Muon's iterations) per second over those of a 1024³ product
in ONNX Runtime. What PyTorch reaches bounds what any engine that multiplies in float32 can win over it: 1 / its share.
A step with Muon takes, compared with AdamW: ${muonShares.join(", ") || "–"}; why, is in [Muon](../docs/methods/muon.md).
PyTorch's Muon iterates in bfloat16, Rotor's and Optax's in float32.

Measured on ${machines.join(".\nOn ")}.

${table(["model", "optimizer", "trace, lower, load s", "Rotor MiB", "PyTorch eager MiB", "torch.compile MiB", "JAX MiB"], memoryRows)}

Resident memory at most, of the whole process. Growth over 1,000 steps of a small model: ${growth === null ? "–" : `${mib(growth.rssEarly)} MiB after 100 steps, ${mib(growth.rssLate)} MiB after 1,000`}.

What each rewrite of the compiler saves (d 256, 4 layers, 1k tokens, 4,096 tokens of vocabulary, AdamW; all variants in one
process, step by step in turns):

${table(
  ["without", "step takes"],
  Object.entries(rewrites?.without ?? {}).map(([name, factor]) => [name, `${factor.toFixed(3)}×`]),
)}
`);
