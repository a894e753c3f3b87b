// Tokenising data sets of very different size: the memory that a process takes at most, in a process of its own for each, and how fast it goes. JSON Lines that
// are compressed, and Parquet (with pyarrow) whose rows all lie in one row group, as pandas writes them.
//
// npm run bench -- --part read-data [--megabytes 10,2000] [--python <python with pyarrow>]
import { spawnSync } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createZstdCompress } from "node:zlib";
import { openTokenDataset } from "../src/data/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: "string", default: "10,2000" },
    python: { type: "string" },
    /** Of the processes that measure: the file that is read. */
    child: { type: "string" },
    cache: { type: "string", default: "" },
  },
});
const peak = () => process.resourceUsage().maxRSS * 1024;

if (flags.child !== undefined) {
  const [before, start] = [peak(), process.cpuUsage()];
  using data = await openTokenDataset({
    source: flags.child,
    tokenizer: "bytes",
    validationFraction: 0.01,
    seed: 0,
    cacheDirectory: flags.cache,
  });
  const { user, system } = process.cpuUsage(start);
  const { numBytes, numDocuments } = data;
  console.log(
    JSON.stringify({ numBytes, numDocuments, before, peak: peak(), seconds: (user + system) / 1e6 }),
  );
  process.exit(0);
}

/** Texts of about a kilobyte, in many words. */
function* texts(megabytes: number): Generator<string> {
  let state = 1;
  const draw = () => {
    state = (state * 48271) % 2147483647;
    return state;
  };
  for (let size = 0; size < megabytes * 1e6; ) {
    const words = Array.from(
      { length: 130 + (draw() % 40) },
      () => (draw() % 60_000).toString(36) + "aeiou"[draw() % 5]!,
    );
    const text = words.join(" ");
    size += text.length;
    yield text;
  }
}

async function writeLines(file: string, megabytes: number): Promise<void> {
  function* lines() {
    let some: string[] = [];
    for (const text of texts(megabytes)) {
      some.push(JSON.stringify({ text }));
      if (some.length < 1000) continue;
      yield `${some.join("\n")}\n`;
      some = [];
    }
    if (some.length > 0) yield `${some.join("\n")}\n`;
  }
  await pipeline(Readable.from(lines()), createZstdCompress(), createWriteStream(file));
}

const writeParquet = `
import sys, pyarrow, pyarrow.json as js, pyarrow.parquet as pq
table = js.read_json(pyarrow.CompressedInputStream(sys.argv[1], "zstd"), js.ReadOptions(block_size=1 << 24))
pq.write_table(table, sys.argv[2], row_group_size=len(table))
print(pyarrow.__version__)
`;

interface Measured {
  readonly numBytes: number;
  readonly numDocuments: number;
  readonly before: number;
  readonly peak: number;
  readonly seconds: number;
}

const self = fileURLToPath(import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
const shown = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
try {
  console.log(`${cpus()[0]!.model}, Node ${process.versions.node}; seconds are those of the CPU`);
  for (const megabytes of flags.megabytes.split(",").map(Number)) {
    const lines = path.join(folder, "data.jsonl.zst");
    await writeLines(lines, megabytes);
    const files = [lines];
    if (flags.python !== undefined) {
      const table = path.join(folder, "data.parquet");
      const { status, stderr } = spawnSync(flags.python, ["-c", writeParquet, lines, table], {
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(stderr);
      files.push(table);
    }
    for (const file of files) {
      const cache = path.join(folder, "cache");
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [self, "--child", file, "--cache", cache],
        {
          encoding: "utf8",
        },
      );
      if (status !== 0) throw new Error(stderr);
      const { numBytes, numDocuments, before, peak: most, seconds } = JSON.parse(stdout) as Measured;
      console.log(
        `${path.basename(file)}, ${shown(statSync(file).size)}, ${numDocuments} texts of ${shown(numBytes)} together: at most ${shown(most)} of memory, ` +
          `${shown(most - before)} more than the program; ${(numBytes / 1e6 / seconds).toFixed(0)} MB a second`,
      );
      figure(`${path.extname(file).slice(1)} ${megabytes} MB: memory, bytes`, most - before);
      rmSync(cache, { recursive: true });
      if (file !== lines) rmSync(file);
    }
    rmSync(lines);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
