// Reading a table of runs for `rotor fit`, beside pandas' read_csv on the same file: each in processes of their own, in turns, so that other load
// meets both. Seconds are those of the CPU, of reading alone; memory is what the process grew by at most. Also the whole
// command from its start.
//
// npm run bench -- --part read-sweep [--rows 250000,1000000] [--rounds 5] [--python <python with pandas>]
import { spawnSync } from "node:child_process";
import { createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readSweep } from "../src/scaling/index.ts";

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "250000,1000000" },
    rounds: { type: "string", default: "5" },
    python: { type: "string" },
    /** Of the processes that measure: the file that is read, and whether by the whole command. */
    child: { type: "string" },
    whole: { type: "boolean", default: false },
  },
});

const seconds = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1e6;
const peak = () => process.resourceUsage().maxRSS * 1024;

if (flags.child !== undefined && flags.whole) {
  const { runCommand } = await import("../src/cli/program.ts");
  const write = process.stdout.write;
  let rows = 0;
  process.stdout.write = ((text: string) => {
    rows = (JSON.parse(text) as { runs: number }).runs;
    return true;
  }) as typeof write;
  const code = await runCommand(["fit", flags.child, "--json"]);
  process.stdout.write = write;
  console.log(JSON.stringify({ rows, seconds: seconds(process.cpuUsage()), bytes: peak() }));
  process.exit(code);
}
if (flags.child !== undefined) {
  const [before, start] = [peak(), process.cpuUsage()];
  const { runs } = readSweep(readFileSync(flags.child));
  const used = seconds(process.cpuUsage(start));
  console.log(JSON.stringify({ rows: runs.length, seconds: used, bytes: peak() - before }));
  process.exit(0);
}

const pandas = `
import json, resource, sys, time
import pandas
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, start = peak(), time.process_time()
frame = pandas.read_csv(sys.argv[1])
used = time.process_time() - start
print(json.dumps({"rows": len(frame), "seconds": used, "bytes": peak() - before, "version": pandas.__version__}))
`;

/** An export as MLflow writes it: six batch sizes, nine learning rates, seeds. */
async function writeRuns(file: string, count: number): Promise<void> {
  const stream = createWriteStream(file);
  stream.write(
    "run_id,status,params.lr,params.batch_size,params.optimizer,params.weight_decay,params.seed,metrics.val_loss,metrics.train_loss,duration\n",
  );
  let state = 1;
  const draw = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  let lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const batchSize = 16 * 2 ** (i % 6);
    const d = (((i / 6) | 0) % 9) - 4;
    const rate = (0.02 / (1 + 64 / batchSize)) * 2 ** d;
    const loss = 3 + 0.06 * d ** 2 - 0.0125 * Math.log2(batchSize) + 0.006 * (draw() - 0.5);
    const id = `${i.toString(16).padStart(8, "0")}${Math.floor(1e9 * draw())
      .toString(16)
      .padStart(8, "0")}`;
    lines.push(
      `${id},FINISHED,${rate.toPrecision(6)},${batchSize},adamw,0.1,${(i / 54) | 0},${loss.toFixed(5)},${(loss - 0.1 * draw()).toFixed(5)},${(100 + 900 * draw()).toFixed(2)}`,
    );
    if (lines.length === 10_000) {
      stream.write(`${lines.join("\n")}\n`);
      lines = [];
    }
  }
  stream.end(lines.length === 0 ? "" : `${lines.join("\n")}\n`);
  await finished(stream);
}

interface Measured {
  readonly rows: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly version?: string;
}

function measured(program: string, args: readonly string[]): Measured {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Measured;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const medians = (list: readonly Measured[]) => ({
  seconds: median(list.map((one) => one.seconds)),
  bytes: median(list.map((one) => one.bytes)),
});
const self = fileURLToPath(import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
try {
  console.log(`${cpus()[0]!.model}, Node ${process.versions.node}; medians of ${flags.rounds} processes`);
  for (const count of flags.rows.split(",").map(Number)) {
    const file = path.join(folder, `${count}.csv`);
    await writeRuns(file, count);
    const size = statSync(file).size;
    const [own, theirs]: [Measured[], Measured[]] = [[], []];
    const whole: number[] = [];
    for (let round = 0; round < Number(flags.rounds); round++) {
      own.push(measured(process.execPath, [self, "--child", file]));
      if (flags.python !== undefined) theirs.push(measured(flags.python, ["-c", pandas, file]));
      whole.push(measured(process.execPath, [self, "--whole", "--child", file]).seconds);
    }
    const read = medians(own);
    const parts = [
      `${count} rows, ${(size / 1e6).toFixed(1)} MB: read in ${read.seconds.toFixed(2)} s, memory ${(read.bytes / size).toFixed(1)} times the file`,
    ];
    if (theirs.length > 0) {
      const other = medians(theirs);
      parts.push(
        `pandas ${theirs[0]!.version} ${other.seconds.toFixed(2)} s, ${(other.bytes / size).toFixed(1)} times the file; ratio ${(read.seconds / other.seconds).toFixed(2)}`,
      );
    }
    parts.push(`the whole command ${median(whole).toFixed(1)} s`);
    console.log(parts.join("; "));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
