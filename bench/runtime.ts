// Prints what a training step takes through the C interface of ONNX Runtime's shared library beside its Node binding, which copies every
// output: in turns in one process, so that other load meets both. Medians over steps.
//
// npm run bench -- --part runtime [--steps 15] [--threads 2]
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { benchCases } from "./cases.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "15" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
const cases = benchCases.filter(({ optimizer, dim }) => optimizer === "adamw" && dim <= 512);

console.log(`${cpus()[0]!.model.trim()}, ${flags.threads} threads: a step of AdamW, ms (of processor time)`);
for (const benchCase of cases) {
  const request = {
    ...benchCase,
    library: "runtimes",
    steps: Number(flags.steps),
    warmup: 3,
    threads: Number(flags.threads),
    profile: false,
  };
  const { status, stdout } = spawnSync(process.execPath, [worker, JSON.stringify(request)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) process.exit(status ?? 1);
  const { library, binding } = JSON.parse(stdout.trim().split("\n").at(-1)!) as Record<
    string,
    { ms: number; processorMs: number }
  >;
  const cell = ({ ms, processorMs }: { ms: number; processorMs: number }) =>
    `${ms.toFixed(0).padStart(6)} (${processorMs.toFixed(0)})`.padEnd(16);
  const ratio = (library!.ms / binding!.ms).toFixed(2);
  const ratioOfProcessor = (library!.processorMs / binding!.processorMs).toFixed(2);
  figure(`${benchCase.name}, library, ms`, library!.ms);
  figure(`${benchCase.name}, binding, ms`, binding!.ms);
  console.log(
    `${benchCase.name.padEnd(28)} binding ${cell(binding!)} library ${cell(library!)} ${ratio}× (${ratioOfProcessor}×)`,
  );
}
