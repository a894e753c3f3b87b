// Runs the benchmarks and writes their sections into bench/README.md; with --part only one of them, whose section is replaced.
// Options after the part's name go to it.
//
// Each run of a part is a line of bench/history.jsonl, and what moved since the last one on the same processor is printed;
// --compare prints that of the last runs here without running anything.
//
// npm run bench -- [--compare] [--part steps|runtime|attention|newton-schulz|curvature|bandwidth|decay|positions|model-positions|code-search|convolution|vq-step|gpu|lora|fit|fit-prior|read-sweep|read-data|tokenizer|import|ui] [options]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { appendHistory, describeChanges, lastEntries, newEntry, readHistory } from "./history.ts";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = path.join(here, "README.md");
const history = path.join(here, "history.jsonl");

/** Name → script and heading. */
const parts = {
  steps: ["steps.ts", "Training steps"],
  runtime: ["runtime.ts", "The runtime's library and its Node binding"],
  attention: ["attention.ts", "Causal attention in blocks"],
  "newton-schulz": ["newtonSchulz.ts", "Newton–Schulz iteration"],
  curvature: ["curvature.ts", "Hessian-vector products"],
  bandwidth: ["bandwidth.ts", "What moves memory alone"],
  decay: ["decay.ts", "Decay of matrices and logged spectra"],
  positions: ["positions.ts", "Positions"],
  "model-positions": ["modelPositions.ts", "Positions of published models"],
  "code-search": ["codeSearch.ts", "Search of the nearest code"],
  convolution: ["convolution.ts", "Convolutions"],
  "vq-step": ["vqStep.ts", "Training steps with a quantizer"],
  gpu: ["gpu.ts", "Training steps on a GPU"],
  lora: ["lora.ts", "Training steps of LoRA"],
  fit: ["fit/score.ts", "Learning rates of batch sizes left out of a sweep"],
  "fit-prior": ["fit/prior.ts", "Probabilities of the laws of learning rate against batch size"],
  "read-sweep": ["readSweep.ts", "Reading a table of runs"],
  "read-data": ["readData.ts", "Tokenising data sets"],
  tokenizer: ["tokenizer.ts", "Training a tokenizer, and encoding with it"],
  import: ["importModel.ts", "Import of a model"],
  ui: ["ui.ts", "The page of runs"],
} as const satisfies Record<string, readonly [script: string, heading: string]>;
type Part = keyof typeof parts;

const args = process.argv.slice(2);
if (args.includes("--compare")) {
  const entries = readHistory(history);
  const processor = cpus()[0]!.model.trim();
  const last = lastEntries(entries, processor, cpus().length);
  for (const entry of last) console.log(describeChanges(entries, entry));
  if (last.length === 0) console.log(`no runs yet on ${processor}, ${cpus().length} cores`);
  process.exit(0);
}
const [first, name, ...rest] = args;
const chosen = first === "--part" ? [name as Part] : (Object.keys(parts) as Part[]);
const options = first === "--part" ? rest : args;
if (!chosen.every((part) => Object.hasOwn(parts, part))) {
  console.error(`bench: part "${name}": expected one of ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}

/** What stands under a heading, up to the next one. */
function section(text: string, heading: string): string {
  const start = text.indexOf(`## ${heading}\n`);
  if (start < 0) return "Not measured yet.";
  const body = text.slice(start + heading.length + 4);
  const end = body.indexOf("\n## ");
  return (end < 0 ? body : body.slice(0, end)).trim();
}

const before = readFileSync(page, "utf8");
const sections = new Map<Part, string>();
for (const part of Object.keys(parts) as Part[]) {
  const [script, heading] = parts[part];
  if (!chosen.includes(part)) {
    sections.set(part, section(before, heading));
    continue;
  }
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
  const figures = path.join(folder, "figures.jsonl");
  writeFileSync(figures, "");
  const { status, stdout } = spawnSync(process.execPath, [path.join(here, script), ...options], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
    env: { ...process.env, ROTOR_BENCH_FIGURES: figures },
  });
  const measured = readFileSync(figures, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  rmSync(folder, { recursive: true });
  if (status !== 0) process.exit(status ?? 1);
  console.log(stdout);
  if (measured.length > 0) {
    const values = Object.fromEntries(measured.map((line) => JSON.parse(line) as [string, number]));
    const entry = newEntry(part, options, values);
    appendHistory(history, entry);
    console.log(`${describeChanges(readHistory(history).slice(0, -1), entry)}\n`);
  }
  // All but the first print plain lines.
  sections.set(part, part === "steps" ? stdout.trim() : `\`\`\`text\n${stdout.trim()}\n\`\`\``);
}
// Options may have left cases out: the page keeps what all of them showed.
if (options.length === 0 || options.every((option) => !/^--(sizes|dim|layers)$/.test(option))) {
  const body = [...sections].map(([part, text]) => `## ${parts[part][1]}\n\n${text}\n`).join("\n");
  writeFileSync(
    page,
    `# Benchmarks\n\nWritten by \`npm run bench\`, part by part (\`-- --part <name>\`); every run is a line of \`history.jsonl\`, and\n\`npm run bench -- --compare\` says what moved between the last two on this processor. The machines are shared: differences of a few per cent mean\nnothing, and every ratio was measured in one run.\n\n${body}`,
  );
}
