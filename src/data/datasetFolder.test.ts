import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { DataError } from "../errors.ts";
import { type DocumentOptions, sourceFiles } from "./documents.ts";
import { splitOf } from "./splitNames.ts";
import { openTokenDataset, trainTokenizer } from "./tokenDataset.ts";
import { decode } from "./tokenizer.ts";
import type { TokenSource } from "./tokenSource.ts";

const scratch = mkdtempSync(path.join(tmpdir(), "rotor-folder-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;

/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = path.join(scratch, String(count++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return folder;
}

/** Files for training and for validation, as paths in the folder. */
function parts(folder: string, options: Omit<DocumentOptions, "source"> = {}) {
  const files = sourceFiles({ source: folder, ...options });
  const named = (split: string | undefined) =>
    files.filter((file) => file.split === split).map((file) => path.relative(folder, file.path));
  return { train: named("train"), validation: named("validation"), alike: named(undefined) };
}

const refuses = (folder: string, message: RegExp, options: Omit<DocumentOptions, "source"> = {}) =>
  assert.throws(
    () => sourceFiles({ source: folder, ...options }),
    (error: Error) =>
      error instanceof DataError && message.test(error.message) && !error.message.includes("\n"),
  );

const row = (text: string) => `${JSON.stringify({ text })}\n`;
const expected = JSON.parse(
  readFileSync(new URL("./testing/tables/expected.json", import.meta.url), "utf8"),
) as { layouts: { files: string[]; splits: Record<string, string[]> }[] };

test("splits are found in names as `datasets` finds them", () => {
  for (const { files, splits } of expected.layouts) {
    const folder = folderOf(Object.fromEntries(files.map((name) => [name, ""])));
    const names = Object.keys(splits);
    // One split alone isn't one: all files are trained on, and some documents kept.
    const isAlike = names.length === 1;
    const train = "train" in splits ? "train" : names.find((name) => name.startsWith("train"))!;
    const found = parts(folder, train === "train" ? {} : { split: train });
    assert.deepEqual(isAlike ? found.alike : found.train, splits[train], files.join(" "));
    assert.deepEqual(found.validation, splits.validation ?? [], files.join(" "));
    for (const name of names)
      for (const file of splits[name]!) if (!isAlike) assert.equal(splitOf(file), name, file);
  }
});

test("folders without splits are as they were: texts may be called anything", () => {
  const texts = folderOf({ "training.md": "a", "test-drive.txt": "b", "letters/dev.notes.md": "c" });
  assert.deepEqual(parts(texts).alike, ["letters/dev.notes.md", "test-drive.txt", "training.md"]);
  const mixed = folderOf({ "a.jsonl": row("a"), "b.txt": "b", "README.md": "what it is" });
  assert.deepEqual(parts(mixed).alike, ["a.jsonl", "b.txt"]);
  assert.deepEqual(parts(folderOf({ "README.md": "a text" })).alike, ["README.md"]);
  assert.deepEqual(parts(folderOf({ "test/a.jsonl": row("a") })).alike, ["test/a.jsonl"]);
});

test("what belongs to no split is refused, not trained on and not left out", () => {
  const folder = folderOf({ "train.jsonl": row("a"), "validation.jsonl": row("b"), "more.jsonl": row("c") });
  refuses(folder, /more\.jsonl belongs to none of its splits train, validation; name the files, or move it$/);
});

test("other splits are chosen by name", () => {
  const folder = folderOf({
    "data/train_sft-00000-of-00001.parquet": "",
    "data/test_sft-00000-of-00001.parquet": "",
    "LICENSE.txt": "terms",
  });
  refuses(folder, /has no split "train"; its splits are test_sft, train_sft$/);
  assert.deepEqual(parts(folder, { split: "train_sft" }), {
    train: ["data/train_sft-00000-of-00001.parquet"],
    validation: [],
    alike: [],
  });
  const { validation } = parts(folder, { split: "train_sft", validationSplit: "test_sft" });
  assert.deepEqual(validation, ["data/test_sft-00000-of-00001.parquet"]);
  refuses(folder, /has no split "dev"; /, { split: "train_sft", validationSplit: "dev" });
  refuses(folder, /expected another one for validation$/, {
    split: "train_sft",
    validationSplit: "train_sft",
  });
  const plain = folderOf({ "a.txt": "a" });
  refuses(plain, /a\.txt belongs to none of its splits/, { split: "train" });
  refuses(path.join(plain, "a.txt"), /has no splits of its own; expected no split "train"$/, {
    split: "train",
  });
});

const card = (configs: string) => `---\nlicense: mit\nconfigs:\n${configs}---\n# A data set\n`;

test("the card of a data set says which files are which", () => {
  const folder = folderOf({
    "README.md": card(
      "- config_name: first\n  data_files:\n  - split: train\n    path: [a/*.json, more.jsonl]\n  - split: dev\n    path: b/1.jsonl\n" +
        "- config_name: second\n  data_files: b/*.jsonl\n- config_name: third\n  data_dir: c\n",
    ),
    "a/1.json": row("a1"),
    "a/2.json": row("a2"),
    "more.jsonl": row("more"),
    "b/1.jsonl": row("b1"),
    "b/2.jsonl": row("b2"),
    "c/train.csv": "text\nc\n",
    "c/test.csv": "text\nd\n",
  });
  refuses(folder, /has several subsets and no default one; its subsets are first, second, third$/);
  refuses(folder, /has no subset "fourth"; its subsets are first, second, third$/, { subset: "fourth" });
  const first = parts(folder, { subset: "first" });
  assert.deepEqual(first.train, ["a/1.json", "a/2.json", "more.jsonl"]);
  assert.deepEqual(first.validation, ["b/1.jsonl"]);
  assert.deepEqual(parts(folder, { subset: "second" }).train, ["b/1.jsonl", "b/2.jsonl"]);
  assert.deepEqual(parts(folder, { subset: "third" }).train, ["c/train.csv"]);
  const marked = card(
    "- config_name: x\n  default: true\n  data_files: x.csv\n- config_name: y\n  data_files: y.csv\n",
  );
  assert.deepEqual(parts(folderOf({ "README.md": marked, "x.csv": "text\n", "y.csv": "text\n" })).train, [
    "x.csv",
  ]);
});

test("a card that is wrong is one line", () => {
  const files = { "a.jsonl": row("a") };
  refuses(
    folderOf({ ...files, "README.md": card("- data_files: b.jsonl\n") }),
    /README\.md: no file is b\.jsonl$/,
  );
  refuses(
    folderOf({ ...files, "README.md": card("- data_files: ../*/a.jsonl\n") }),
    /expected a file of the folder$/,
  );
  refuses(
    folderOf({ ...files, "README.md": card("- data_dir: /etc\n") }),
    /data_dir \/etc: expected a folder of/,
  );
  refuses(
    folderOf({ ...files, "README.md": card("- data_files: 3\n") }),
    /README\.md: configs\.0\.data_files: /,
  );
  refuses(
    folderOf({ ...files, "README.md": card("  a: b\n c: d\n") }),
    /README\.md: its YAML can't be read: /,
  );
  refuses(folderOf(files), /has no README\.md that names subsets; expected none but "x" was given$/, {
    subset: "x",
  });
});

function textOf(source: TokenSource, decodeIds: (ids: number[]) => string): string {
  const ids = new Int32Array(source.length);
  source.read(0, source.length, ids, 0);
  return decodeIds([...ids]);
}

test("the data set's own validation split is what is validated on, and no vocabulary is learned from it", async () => {
  const folder = folderOf({
    "train-00000-of-00002.jsonl": row("abab"),
    "train-00001-of-00002.jsonl": row("ab"),
    "validation.jsonl": row("xyxyxyxy") + row("xy"),
    "test.jsonl": row("never"),
  });
  const options = { validationFraction: 0.5, seed: 0, cacheDirectory: path.join(scratch, "cache") };
  using data = await openTokenDataset({ ...options, source: folder, tokenizer: { bpe: 259 } });
  const text = (source: TokenSource) => textOf(source, (ids) => decode(data.tokenizer, ids));
  assert.deepEqual([text(data.train), text(data.validation)], ["ababab", "xyxyxyxyxy"]);
  assert.deepEqual([data.numDocuments, data.hasOwnSplit], [4, true]);
  assert.equal(data.train.length, 1 + 1 + 2, "abab and ab are one id each");
  assert.equal(data.validation.length, 10 + 2, "xy is none");
  const trained = await trainTokenizer({ source: folder }, 259);
  assert.equal(trained.id, data.tokenizer.id);
  // Beside other sources, which are trained on as a whole.
  const more = path.join(folderOf({ "more.txt": "more" }), "more.txt");
  using both = await openTokenDataset({ ...options, source: [folder, more], tokenizer: "bytes" });
  assert.match(
    textOf(both.train, (ids) => decode(both.tokenizer, ids)),
    /more/,
  );
  assert.equal(both.validation.length, 12);
  const empty = folderOf({ "train.jsonl": row("a"), "dev.jsonl": "" });
  await assert.rejects(
    openTokenDataset({ ...options, source: empty, tokenizer: "bytes" }),
    /its validation split holds no text$/,
  );
});

test("a set of numbered files of which one is missing is refused by its name", () => {
  const names = (count: number, of: number, prefix = "data/train") =>
    Array.from({ length: count }, (_, i) => `${prefix}-0000${i}-of-0000${of}.jsonl`);
  const folder = (all: readonly string[]) =>
    folderOf(Object.fromEntries(all.map((name) => [name, row("a")])));
  assert.equal(parts(folder(names(3, 3))).alike.length, 3);
  refuses(
    folder(names(2, 3)),
    /: data\/train-00002-of-00003\.jsonl is missing; 2 of 3 such files are there$/,
  );
  refuses(folder(names(3, 3).slice(1)), /train-00000-of-00003\.jsonl is missing/);
  const both = [...names(2, 2), ...names(1, 2, "data/validation")];
  refuses(folder(both), /validation-00001-of-00002\.jsonl is missing/);
  // What isn't read may be missing.
  assert.equal(parts(folder([...names(2, 2), ...names(1, 2, "data/test")])).train.length, 2);
  const summed = ["data/train-00000-of-00002-0f3a.jsonl", "data/train-00001-of-00002-9bc1.jsonl"];
  assert.equal(parts(folder(summed)).alike.length, 2);
});

test("a table beside those of a split is refused, whether or not there are other splits", () => {
  const folder = folderOf({ "train.jsonl": row("a"), "more.jsonl": row("b") });
  refuses(folder, /more\.jsonl belongs to none of its splits train; name the files, or move it/);
});
