// Training a byte-level BPE on the shipped books and encoding them with it, beside Hugging Face's `tokenizers` on one thread if a Python with it is
// given: seconds of the processor, so that other load counts little, in processes of their own that take turns. Ids must be equal.
//
// npm run bench -- --part tokenizer [--python <python with tokenizers>] [--vocabulary 4096] [--turns 5]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { crc32 } from "node:zlib";
import { BpeTokenizer, readDocuments, sourceFiles, trainBpe } from "../src/data/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    vocabulary: { type: "string", default: "4096" },
    turns: { type: "string", default: "5" },
    /** Of the processes that measure Rotor: the folder of texts and vocabulary. */
    child: { type: "string" },
  },
});

interface Measured {
  /** Seconds of the processor. */
  readonly training: number;
  readonly encoding: number;
  readonly numIds: number;
  readonly checksum: number;
  readonly version: string;
}

const size = Number(flags.vocabulary);
const textsIn = (folder: string) => path.join(folder, "texts.json");
const tokenizerIn = (folder: string) => path.join(folder, "tokenizer.json");

/** Seconds of the processor, the collection of garbage and the compilation of the code among them. */
function secondsOf<T>(work: () => T): [number, T] {
  const start = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(start);
  return [(user + system) / 1e6, result];
}

if (flags.child !== undefined) {
  const texts = JSON.parse(readFileSync(textsIn(flags.child), "utf8")) as string[];
  const [training] = secondsOf(() => trainBpe(texts, size));
  const [encoding, ids] = secondsOf(() => {
    const tokenizer = BpeTokenizer.fromJSON(JSON.parse(readFileSync(tokenizerIn(flags.child!), "utf8")));
    return texts.map((text) => tokenizer.encode(text));
  });
  let checksum = 0;
  for (const one of ids) checksum = crc32(new Uint8Array(Uint32Array.from(one).buffer), checksum);
  const numIds = ids.reduce((sum, one) => sum + one.length, 0);
  const version = process.versions.node;
  console.log(JSON.stringify({ training, encoding, numIds, checksum, version } satisfies Measured));
  process.exit(0);
}

const self = fileURLToPath(import.meta.url);
const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function measure(command: string, args: readonly string[]): Measured {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Measured;
}

try {
  const books = { source: "books" };
  const texts: string[] = [];
  for await (const { text } of readDocuments(sourceFiles(books), {})) texts.push(text);
  writeFileSync(textsIn(folder), JSON.stringify(texts));
  writeFileSync(tokenizerIn(folder), JSON.stringify(trainBpe(texts, size)));
  const megabytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
  const hasPython = spawnSync(flags.python, ["-c", "import tokenizers"]).status === 0;
  if (!hasPython) console.error("tokenizers is missing: give a Python that has it with --python");
  const script = path.join(path.dirname(self), "tokenizer.py");
  const own: Measured[] = [];
  const other: Measured[] = [];
  for (let i = 0; i < Number(flags.turns); i++) {
    own.push(measure(process.execPath, [self, "--child", folder, "--vocabulary", String(size)]));
    if (hasPython)
      other.push(measure(flags.python, [script, textsIn(folder), String(size), tokenizerIn(folder)]));
  }
  const [first] = own;
  for (const { numIds, checksum } of other)
    if (numIds !== first!.numIds || checksum !== first!.checksum)
      throw new Error("tokenizers gives other ids");
  console.log(
    `${cpus()[0]!.model}, Node ${first!.version}${hasPython ? `, tokenizers ${other[0]!.version} on one thread` : ""}; seconds of the processor, medians of ${own.length} processes in turns, at a load of ${loadavg()[0]!.toFixed(0)}`,
  );
  console.log(
    `${texts.length} texts of ${megabytes.toFixed(1)} MB, ${size} ids; ${first!.numIds} ids, equal ones`,
  );
  for (const what of ["training", "encoding"] as const) {
    const seconds = median(own.map((one) => one[what]));
    figure(`${what}, s`, seconds);
    const ratio = median(other.map((one, i) => one[what] / own[i]![what]));
    const beside = hasPython
      ? `; tokenizers ${median(other.map((one) => one[what])).toFixed(2)} s: Rotor is ${ratio.toFixed(2)} times as fast`
      : "";
    console.log(`${what}: ${seconds.toFixed(2)} s, ${(megabytes / seconds).toFixed(1)} MB a second${beside}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
