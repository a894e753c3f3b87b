// Import of a model of bfloat16 beside NumPy, which reads the same file and makes float32 of it, in turns: seconds of the CPU and the most memory of a process of
// its own each. Rotor checks and transposes besides. The whole import writes the checkpoint of the run with its checksum, beside NumPy that writes its numbers.
//
// npm run bench -- --part import [--megabytes 500] [--turns 5] [--python <python with numpy>]
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { flattenShapes } from "../src/checkpoint/index.ts";
import { transformerShapes } from "../src/config/index.ts";
import { AtomicFile, BpeTokenizer } from "../src/data/index.ts";
import { architectures, importRun, readHuggingFace, readHuggingFaceConfig } from "../src/exchange/index.ts";
import { encodeHeader } from "../src/tensors/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: {
    megabytes: { type: "string", default: "500" },
    turns: { type: "string", default: "5" },
    python: { type: "string", default: "python3" },
    /** Of the processes that measure: what is done with the folder. */
    child: { type: "string" },
    folder: { type: "string", default: "" },
  },
});

interface Measured {
  /** Seconds of the CPU. */
  readonly cpu: number;
  /** Seconds that passed. */
  readonly wall: number;
  /** Most bytes of memory, and what the process had before. */
  readonly peak: number;
  readonly before: number;
}

const works: Readonly<Record<string, (folder: string) => unknown>> = {
  read: (folder) => readHuggingFace(folder),
  import: (folder) => importRun(folder, { home: path.join(folder, "store") }),
};

/** A new process of Python's knows nothing of the file, as one of Node's. */
const numpyWork = `
import json, os, resource, sys, time
import numpy as np
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, cpu, wall = peak(), time.process_time(), time.perf_counter()
with open(sys.argv[1], "rb") as file:
    header = int.from_bytes(file.read(8), "little")
halves = np.fromfile(sys.argv[1], np.uint16, offset=8 + header)
floats = np.left_shift(halves, 16, dtype=np.uint32).view(np.float32)
if len(sys.argv) > 2:
    with open(sys.argv[2], "wb") as target:
        floats.tofile(target)
        target.flush()
        os.fsync(target.fileno())
print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "peak": peak(), "before": before, "numpy": np.__version__}))
`;

function work(kind: string, folder: string): void {
  const peak = () => process.resourceUsage().maxRSS * 1024;
  const [before, start, begin] = [peak(), process.cpuUsage(), performance.now()];
  works[kind]!(folder);
  const [{ user, system }, wall] = [process.cpuUsage(start), (performance.now() - begin) / 1e3];
  console.log(JSON.stringify({ cpu: (user + system) / 1e6, wall, peak: peak(), before }));
}

/** A Llama of about so many megabytes in bfloat16, with small random numbers. */
function writeModel(folder: string, megabytes: number): { bytes: number; numParameters: number } {
  const [hidden, inner, vocabSize] = [1024, 2816, 32_768];
  const numLayers = Math.max(
    1,
    Math.round((megabytes * 5e5 - hidden * vocabSize) / (hidden * (4 * hidden + 3 * inner))),
  );
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_act: "silu",
    hidden_size: hidden,
    intermediate_size: inner,
    max_position_embeddings: 2048,
    num_attention_heads: 16,
    num_hidden_layers: numLayers,
    num_key_value_heads: 16,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
    vocab_size: vocabSize,
  };
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(path.join(folder, "tokenizer.json"), JSON.stringify(BpeTokenizer.ofMerges([]).toJSON()));
  const { model } = readHuggingFaceConfig(config, "config");
  const { prefix, tensors } = architectures.find(({ modelType }) => modelType === "llama")!;
  const shapes = flattenShapes(transformerShapes(model));
  const entries = tensors(model).map((rule) => {
    const shape = rule.shape(rule.paths.map((own) => shapes.get(own)!.shape));
    const data = { byteLength: 2 * shape.reduce((a, b) => a * b) };
    return [rule.isOuter ? rule.name : prefix + rule.name, { dtype: "bfloat16", shape, data }] as const;
  });
  using file = new AtomicFile(path.join(folder, "model.safetensors"));
  file.write(encodeHeader(new Map(entries), { format: "pt" }));
  let bytes = 0;
  let state = 1;
  for (const [, { data }] of entries) {
    // Between 2⁻⁷ and 2⁻⁵, of both signs.
    const halves = Uint16Array.from({ length: data.byteLength / 2 }, () => {
      state = (state * 48271) % 2147483647;
      return 0x3c00 + (state & 0x80ff);
    });
    file.write(new Uint8Array(halves.buffer));
    bytes += data.byteLength;
  }
  file.commit();
  return { bytes, numParameters: bytes / 2 };
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function compare(): void {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-bench-"));
  try {
    const { bytes, numParameters } = writeModel(folder, Number(flags.megabytes));
    const numpy = ["-c", numpyWork, path.join(folder, "model.safetensors")];
    const own = (kind: string) => [fileURLToPath(import.meta.url), "--child", kind, "--folder", folder];
    /** Name, program and its arguments, and the kind that it is held to. */
    const kinds: readonly (readonly [string, string, readonly string[], number])[] = [
      ["NumPy reads", flags.python, numpy, 0],
      ["Rotor reads", process.execPath, own("read"), 0],
      ["NumPy reads and writes", flags.python, [...numpy, path.join(folder, "floats")], 2],
      ["Rotor imports", process.execPath, own("import"), 2],
    ];
    const measured: Measured[][] = kinds.map(() => []);
    for (let turn = 0; turn < Number(flags.turns); turn++)
      for (const [i, [, program, args]] of kinds.entries()) {
        const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
        if (status !== 0) throw new Error(stderr);
        measured[i]!.push(JSON.parse(stdout) as Measured);
        for (const made of ["store", "floats"])
          rmSync(path.join(folder, made), { recursive: true, force: true });
      }
    const megabytes = (value: number) => `${(value / 1e6).toFixed(0)} MB`;
    console.log(
      `${cpus()[0]!.model}, Node ${process.versions.node}; a Llama of ${(numParameters / 1e6).toFixed(0)}M parameters, ${megabytes(bytes)} of bfloat16, ${megabytes(2 * bytes)} of float32; medians of ${flags.turns} turns`,
    );
    kinds.forEach(([kind, , , other], i) => {
      const own = (key: keyof Measured) => median(measured[i]!.map((one) => one[key]));
      const ratio = (key: "cpu" | "wall") =>
        median(measured[i]!.map((one, turn) => one[key] / measured[other]![turn]![key]));
      const beside =
        i === other
          ? ""
          : `, ${ratio("cpu").toFixed(2)} of NumPy's and ${ratio("wall").toFixed(2)} of its time`;
      console.log(
        `${kind.padEnd(23)} ${own("cpu").toFixed(2)} s of the CPU, ${own("wall").toFixed(2)} s passed${beside}; memory ${megabytes(own("peak") - own("before"))} more than before`,
      );
      if (i === other) return;
      figure(`${kind}: seconds of the CPU beside NumPy's`, ratio("cpu"));
      figure(`${kind}: memory, bytes`, own("peak") - own("before"));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (flags.child !== undefined) work(flags.child, flags.folder);
else compare();
