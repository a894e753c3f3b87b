// Tensors that were changed by someone who knows how a checkpoint is sealed: every command that opens one refuses them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { canonicalJson } from "../src/checkpoint/index.ts";
import { rotor, temporaryFolder, writeMicroConfig, writeMicroImages } from "./command.ts";

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** A change of a tensor file, whose header and data may be changed in place. */
type Damage = (header: Header, data: Buffer, name: string) => void;

const refused =
  /tensor "[^"]+" is not part of this model|place 2147483647 of a list|expected another name than __proto__/;
const kinds: [what: string, damage: Damage, message: RegExp][] = [
  ["missing", (header, _, name) => delete header[name], /tensor "[^"]+" is missing/],
  [
    "misshapen",
    (header, _, name) => {
      header[name]!.shape = [1, ...header[name]!.shape];
    },
    /tensor "[^"]+" is float32\[1,[\d,]+\], expected float32\[/,
  ],
  [
    "NaN",
    (header, data, name) => data.writeFloatLE(Number.NaN, header[name]!.data_offsets[0]),
    /tensor "[^"]+"\[0\] is NaN/,
  ],
  [
    "one too many, in a block of a huge number",
    (header, _, name) => {
      header["params.blocks.2147483647.w"] = header[name]!;
    },
    refused,
  ],
  [
    "one too many, named __proto__",
    (header, _, name) => {
      Object.defineProperty(header, "params.__proto__.polluted", { value: header[name], enumerable: true });
    },
    refused,
  ],
];

function changeTensors(file: string, damage: Damage): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Header;
  const data = Buffer.from(bytes.subarray(8 + length));
  const name = Object.keys(header).find(
    (each) => each.startsWith("params.") && header[each]!.shape.length > 1,
  )!;
  damage(header, data, name);
  // What no tensor covers would be refused by the reader of files already.
  const parts: Buffer[] = [];
  let end = 0;
  const kept = Object.entries(header)
    .filter(([each]) => each !== "__metadata__")
    .map(
      ([
        each,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        parts.push(data.subarray(from, to));
        const offsets = [end, end + to - from];
        end += to - from;
        return `${JSON.stringify(each)}:${JSON.stringify({ dtype, shape, data_offsets: offsets })}`;
      },
    );
  const text = Buffer.from(`{${kept.join(",")}}`);
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(file, Buffer.concat([size, padded, ...parts]));
}

/** Changes the tensors of all checkpoints of a run; sidecars and store agree with them. */
function forge(home: string, id: string, damage: Damage): void {
  const folder = path.join(home, "runs", id, "checkpoints");
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".safetensors"))) {
    const file = path.join(folder, name);
    changeTensors(file, damage);
    const bytes = readFileSync(file);
    const sidecar = file.replace(/safetensors$/, "json");
    const { seal: _, ...fields } = JSON.parse(readFileSync(sidecar, "utf8")) as Record<string, unknown>;
    fields.sha256 = createHash("sha256").update(bytes).digest("hex");
    fields.byteLength = bytes.length;
    const seal = createHash("sha256").update(canonicalJson(fields)).digest("hex");
    writeFileSync(sidecar, `${canonicalJson({ ...fields, seal })}\n`);
  }
  using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
  database.prepare("DELETE FROM checkpoint WHERE run_id = ?").run(id);
}

let folder: ReturnType<typeof temporaryFolder>;
const ids = { text: "", images: "" };
before(async () => {
  folder = temporaryFolder();
  const training = { steps: 4, batchSize: 2, threads: 1, checkpointEvery: 2 };
  writeMicroConfig(folder.path, {
    optimizer: { kind: "adamw", learningRate: 0.01 },
    training: { ...training, length: 16, sampleTokens: 0, evalBatches: 1 },
  });
  await writeMicroImages(folder.path, { training });
  for (const [kind, file] of [
    ["text", "micro.json"],
    ["images", "micro-vq.json"],
  ] as const) {
    const { stdout, stderr } = await rotor(folder.path, "train", file, "--json");
    ids[kind] = (JSON.parse(stdout || stderr) as { run: { id: string } }).run.id;
  }
  // A run that stopped in the middle, so that it can go on.
  const home = path.join(folder.path, ".rotor");
  const checkpoints = path.join(home, "runs", ids.text, "checkpoints");
  for (const name of readdirSync(checkpoints).filter((each) => /0004\./.test(each)))
    rmSync(path.join(checkpoints, name));
  using database = new DatabaseSync(path.join(home, "rotor.sqlite"));
  database.prepare("UPDATE run SET status = 'interrupted' WHERE id = ?").run(ids.text);
});
after(() => folder[Symbol.dispose]());

const commands: [command: string, run: "text" | "images", args: (id: string) => string[]][] = [
  ["sample", "text", (id) => ["sample", id, "--tokens", "8"]],
  ["train --resume", "text", (id) => ["train", "--resume", id]],
  ["measure", "text", (id) => ["measure", id, "--samples", "8", "--probes", "2"]],
  ["encode", "images", (id) => ["encode", id, "images/i1.png", "-o", "made.codes"]],
  ["codebook", "images", (id) => ["codebook", id]],
];

for (const [what, damage, message] of kinds) {
  test(`a tensor that is ${what} is refused by the commands that open a checkpoint`, async () => {
    const home = path.join(folder.path, "damaged");
    cpSync(path.join(folder.path, ".rotor"), home, { recursive: true });
    try {
      for (const id of Object.values(ids)) forge(home, id, damage);
      for (const [command, run, args] of commands) {
        // All open checkpoints by one function: the others are shown two of the kinds.
        if (!["sample", "train --resume"].includes(command) && !["misshapen", "NaN"].includes(what)) continue;
        const { code, stdout, stderr } = await rotor(folder.path, ...args(ids[run]), "--home", "damaged");
        assert.equal(code, 1, `${command}: ${stdout}${stderr}`);
        // Those that take the newest checkpoint may say first that they pass one over.
        assert.match(stderr, /^(rotor: [^\n]+\n)+$/, command);
        assert.match(stderr, message, command);
        assert.doesNotMatch(stderr, /--debug/, command);
        assert.equal(stdout, "", command);
      }
    } finally {
      rmSync(home, { recursive: true });
    }
  });
}

test("the same without damage is taken", async () => {
  const home = path.join(folder.path, "whole");
  cpSync(path.join(folder.path, ".rotor"), home, { recursive: true });
  for (const id of Object.values(ids)) forge(home, id, () => {});
  for (const [command, run, args] of commands) {
    const { code, stderr } = await rotor(folder.path, ...args(ids[run]), "--home", "whole");
    assert.equal(code, 0, `${command}: ${stderr}`);
  }
});
