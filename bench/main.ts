// Runs the benchmarks and writes their sections into bench/README.md; with --part only one of them, whose section is replaced.
// Options after the part's name go to it.
//
// npm run bench -- [--part steps|runtime|attention|newton-schulz|curvature|decay|positions|code-search|convolution|vq-step] [options]
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const page = path.join(here, "README.md");

/** Name → script and heading. */
const parts = {
  steps: ["steps.ts", "Training steps"],
  runtime: ["runtime.ts", "The runtime's library and its Node binding"],
  attention: ["attention.ts", "Causal attention in blocks"],
  "newton-schulz": ["newtonSchulz.ts", "Newton–Schulz iteration"],
  curvature: ["curvature.ts", "Hessian-vector products"],
  decay: ["decay.ts", "Decay of matrices and logged spectra"],
  positions: ["positions.ts", "Positions"],
  "code-search": ["codeSearch.ts", "Search of the nearest code"],
  convolution: ["convolution.ts", "Convolutions"],
  "vq-step": ["vqStep.ts", "Training steps with a quantizer"],
} as const satisfies Record<string, readonly [script: string, heading: string]>;
type Part = keyof typeof parts;

const [first, name, ...rest] = process.argv.slice(2);
const chosen = first === "--part" ? [name as Part] : (Object.keys(parts) as Part[]);
const options = first === "--part" ? rest : process.argv.slice(2);
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
  const { status, stdout } = spawnSync(process.execPath, [path.join(here, script), ...options], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 1 << 26,
  });
  if (status !== 0) process.exit(status ?? 1);
  console.log(stdout);
  // All but the first print plain lines.
  sections.set(part, part === "steps" ? stdout.trim() : `\`\`\`text\n${stdout.trim()}\n\`\`\``);
}
// Options may have left cases out: the page keeps what all of them showed.
if (options.length === 0 || options.every((option) => !/^--(sizes|dim|layers)$/.test(option))) {
  const body = [...sections].map(([part, text]) => `## ${parts[part][1]}\n\n${text}\n`).join("\n");
  writeFileSync(
    page,
    `# Benchmarks\n\nWritten by \`npm run bench\`, part by part (\`-- --part <name>\`). The machines are shared: differences of a few per cent mean\nnothing, and every ratio was measured in one run.\n\n${body}`,
  );
}
