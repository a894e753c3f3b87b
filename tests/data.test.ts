import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { exampleText, rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

const tables = fileURLToPath(new URL("../src/data/testing/tables", import.meta.url));

/** A data set of the hub: two tables to train on, one to validate on, one that is neither. */
function dataSet(folder: string): string {
  const data = path.join(folder, "set", "data");
  mkdirSync(data, { recursive: true });
  const copy = (from: string, to: string) => cpSync(path.join(tables, from), path.join(data, to));
  copy("zstd.parquet", "train-00000-of-00002.parquet");
  copy("dictionary.parquet", "train-00001-of-00002.parquet");
  copy("pages2.parquet", "validation-00000-of-00001.parquet");
  copy("lz4.parquet", "test-00000-of-00001.parquet");
  writeFileSync(path.join(folder, "set", "README.md"), "---\nlicense: mit\n---\n# A set\n");
  return "set";
}

test("a data set of the hub is trained on and validated by its own splits", async () => {
  using folder = temporaryFolder();
  const source = dataSet(folder.path);
  const config = writeMicroConfig(folder.path, { data: { source, tokenizer: { bpe: 270 } } });
  const dry = await rotor(folder.path, "train", config, "--dry-run");
  assert.match(
    dry.stdout,
    /^data +set: 3 files of 0\.0 MiB, 1 of them the validation split, read with/m,
    dry.stderr,
  );
  const trained = await rotor(folder.path, "train", config, "--set", "training.steps=2");
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stdout, /tokens to train on, \S+ of its validation split, from 280 documents/);
  const refused = await rotor(folder.path, "train", config, "--set", "data.split=test");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^rotor: set\/data\/test-00000-of-00001\.parquet: column "text" of row group 0 is compressed with LZ4_RAW; expected [^\n]+\n$/,
  );
  const tokens = readdirSync(path.join(folder.path, ".rotor", "cache")).filter((name) =>
    name.endsWith(".bin"),
  );
  assert.equal(tokens.length, 2, "the refused one left nothing");
});

test("a mistyped source and a field that isn't there are found by a dry run", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  writeFileSync(path.join(folder.path, "rows.csv"), "id,body\n1,text\n");
  const refuses = async (set: string, message: RegExp) => {
    const { code, stderr } = await rotor(folder.path, "train", config, "--dry-run", "--set", set);
    assert.equal(code, 1);
    assert.match(stderr, message);
  };
  await refuses("data.source=txet.txt", /^rotor: data source "txet\.txt": no such file, folder or corpus\n$/);
  await refuses(
    "data.source=rows.csv",
    /^rotor: rows\.csv: has no column "text"; its columns are id, body\n$/,
  );
  await refuses(
    "data.split=train",
    /^rotor: data source \["?text\.txt"?\]: has no splits of its own; expected no split "train"\n$/,
  );
  assert.ok(!existsSync(path.join(folder.path, ".rotor")));
});

test("tables that are compressed go wherever texts do: train, tokenizer train, tune", async () => {
  using folder = temporaryFolder();
  const rows = exampleText()
    .match(/.{1,200}(\s|$)/gs)!
    .map((text, i) => `${i},"${text.replaceAll('"', '""')}"`);
  writeFileSync(path.join(folder.path, "rows.csv.gz"), gzipSync(`id,body\n${rows.join("\n")}\n`));
  const args = ["rows.csv.gz", "--field", "body", "--size", "280", "-o", "t.json"];
  const learned = await rotor(folder.path, "tokenizer", "train", ...args);
  assert.equal(learned.stdout, "wrote t.json: 280 ids\n", learned.stderr);
  const config = writeMicroConfig(folder.path, {
    data: { source: "rows.csv.gz", field: "body", tokenizer: "t.json" },
  });
  const trained = await rotor(folder.path, "train", config, "--set", "training.steps=2");
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stdout, new RegExp(`from ${rows.length} documents`));
  const sizes = ["data.field=body", "training.batchSize=4", "training.length=16"].flatMap((set) => [
    "--set",
    set,
  ]);
  const tuned = await rotor(folder.path, "tune", "rows.csv.gz", "--preset", "tiny", "--dry-run", ...sizes);
  assert.equal(tuned.code, 0, tuned.stderr);
  const sidecar = readdirSync(path.join(folder.path, ".rotor", "cache")).find((name) =>
    name.endsWith(".json"),
  )!;
  assert.equal(
    JSON.parse(readFileSync(path.join(folder.path, ".rotor", "cache", sidecar), "utf8")).numDocuments,
    rows.length,
  );
});
