// A terminal obeys escape sequences. Those that come with names, files and samples are shown, wherever they are printed.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { type Finished, rotor, temporaryFolder, writeMicroConfig, writeMicroImages } from "./command.ts";

/** Sets the terminal's title, clears the screen, and turns the direction of text. */
const attack = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e";
const isWindows = process.platform === "win32";

/** @param shows - whether what was printed must show the attack's first character */
function assertHarmless({ stdout, stderr, code }: Finished, what: string, shows = true): void {
  assert.ok(code === 0 || code === 1 || code === 2, `${what}: ${stderr}`);
  const printed = stdout + stderr;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.doesNotMatch(printed, /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/, what);
  if (shows) assert.match(printed, /\\u001b|\\\\u001b|\\x1b/, `${what}: ${printed}`);
}

let folder: ReturnType<typeof temporaryFolder>;
const at = (name: string) => path.join(folder.path, name);
before(async () => {
  folder = temporaryFolder();
  writeMicroConfig(folder.path, {
    name: "run",
    optimizer: { kind: "adamw", learningRate: 0.02 },
    data: { source: "escapes.txt" },
    training: { steps: 30, batchSize: 8, length: 16, sampleTokens: 40, evalBatches: 1, threads: 1 },
  });
  // A model that says little else.
  writeFileSync(at("escapes.txt"), "\x1b[31m\x07".repeat(2000));
  writeFileSync(
    at("sweep.yaml"),
    JSON.stringify({
      name: "sweep",
      base: "micro.json",
      parameters: { "training.steps": [2] },
      workers: 1,
    }),
  );
  writeFileSync(
    at("table.csv"),
    `lr,batch size,loss,kind${attack}\n${[1, 2, 3].map((n) => `0.0${n},8,${n},a${attack}`).join("\n")}\n`,
  );
  writeFileSync(
    at("keys.yaml"),
    JSON.stringify({
      ...(JSON.parse(readFileSync(at("micro.json"), "utf8")) as object),
      [`key${attack}`]: 1,
    }),
  );
  writeFileSync(
    at("values.yaml"),
    JSON.stringify({
      ...(JSON.parse(readFileSync(at("micro.json"), "utf8")) as object),
      data: { source: `no${attack}` },
    }),
  );
});
after(() => folder[Symbol.dispose]());

test("names of runs, and what a model says while it trains", async () => {
  const trained = await rotor(folder.path, "train", "micro.json");
  assert.equal(trained.code, 0, trained.stderr);
  assertHarmless(trained, "train");
  // Names of this kind are refused; another program may have written one.
  using database = new DatabaseSync(at(".rotor/rotor.sqlite"));
  database.prepare("UPDATE run SET name = ?").run(`run${attack}`);
  for (const args of [["runs"], ["runs", "show", "latest"], ["runs", "compare", "latest", "latest"]])
    assertHarmless(await rotor(folder.path, ...args), args.join(" "));
  const json = await rotor(folder.path, "runs", "--json");
  assertHarmless(json, "runs --json");
  assert.equal((JSON.parse(json.stdout) as { name: string }[])[0]!.name, `run${attack}`);
});

test("prompts and samples, unless they are asked for raw", async () => {
  const sample = ["sample", "latest", "--tokens", "40", "--prompt", `p${attack}`];
  const shown = await rotor(folder.path, ...sample);
  assert.equal(shown.code, 0, shown.stderr);
  assertHarmless(shown, "sample");
  // More than the prompt's.
  assert.ok(shown.stdout.split("\\u001b").length > 5, shown.stdout);
  const raw = await rotor(folder.path, ...sample, "--raw");
  assert.ok(raw.stdout.startsWith(`p${attack}`) && raw.stdout.split("\x1b").length > 5);
});

test("names and parameters of sweeps", async () => {
  const run = await rotor(folder.path, "sweep", "sweep.yaml");
  assert.equal(run.code, 0, run.stderr);
  assertHarmless(run, "sweep", false);
  using database = new DatabaseSync(at(".rotor/sweeps.sqlite"));
  database.prepare("UPDATE sweep SET name = ?").run(`sweep${attack}`);
  for (const args of [
    ["sweep", "list"],
    ["sweep", "show"],
    ["sweep", "show", "--json"],
    ["fit", "--sweep", `no${attack}`],
  ])
    assertHarmless(await rotor(folder.path, ...args), args.join(" "));
  assertHarmless(await rotor(folder.path, "sweep", "export"), "sweep export", false);
});

test("columns and cells of tables", async () => {
  for (const args of [
    ["fit", "table.csv", "--explain"],
    ["fit", "table.csv", "--by", `kind${attack}`],
    ["fit", "table.csv", "--where", `kind${attack}=b`],
    ["fit", "table.csv", "--loss", `no${attack}`],
    ["fit", "table.csv", "--at", `at${attack}`],
  ])
    assertHarmless(await rotor(folder.path, ...args), args.join(" "));
});

test("words of the command line, keys and values of files, and names of files", async () => {
  for (const args of [
    ["train", `preset${attack}`],
    ["train", "keys.yaml"],
    ["train", "values.yaml"],
    ["train", "tiny", "--set", `model.key${attack}=1`],
    ["train", "tiny", "--name", `no${attack}`],
    ["train", "tiny", "--set", `data.source="no\\e[2J"`],
    ["train", "tiny", "--home", `escapes.txt/${attack}`],
    ["sample", `no${attack}`],
    ["runs", "show", `no${attack}`],
    ["positions", `text:1 ${attack}`],
    ["positions", "text:1", "--layout", `no${attack}`],
    ["positions", "text:1", "--model", `no${attack}`],
    ["experiment", `no${attack}`],
    ["data", "fetch", `no${attack}`],
    [`no${attack}`],
    ["sample", "latest", "--temperature", `no${attack}`],
    ["fit", `no${attack}.csv`, "--debug"],
  ])
    assertHarmless(await rotor(folder.path, ...args), args.join(" "));
});

test("names of images and of code files", { skip: isWindows }, async () => {
  await writeMicroImages(folder.path, { name: "vq" });
  mkdirSync(at("named"));
  copyFileSync(at("images/i1.png"), at(`named/i${attack}.png`));
  const trained = await rotor(folder.path, "train", "micro-vq.json");
  assert.equal(trained.code, 0, trained.stderr);
  assertHarmless(trained, "train", false);
  for (const args of [
    ["encode", "vq", "named", "-o", `codes${attack}`],
    ["decode", "vq", `codes${attack}`, "-o", `decoded${attack}`],
    ["encode", "vq", `none${attack}`, "-o", "b"],
  ])
    assertHarmless(await rotor(folder.path, ...args), args.join(" "));
});

test("what stands in a store, a lock, a log or an environment", async () => {
  using database = new DatabaseSync(at(".rotor/rotor.sqlite"));
  database.prepare("UPDATE run SET status = ? ").run(`s${attack}`);
  assertHarmless(await rotor(folder.path, "runs"), "a damaged row", false);
  using sweeps = new DatabaseSync(at(".rotor/sweeps.sqlite"));
  sweeps.prepare("UPDATE sweep SET definition = ?").run(JSON.stringify({ [`key${attack}`]: 1 }));
  assertHarmless(await rotor(folder.path, "sweep", "list"), "a damaged sweep", false);
  process.env.ROTOR_DATABASE_URL = `postgres://user:secret@127.0.0.1:1/no${attack}`;
  process.env.ROTOR_PATIENCE = "0";
  try {
    const away = await rotor(folder.path, "sweep", "list");
    assertHarmless(away, "a database's address", false);
    assert.doesNotMatch(away.stderr, /secret/);
  } finally {
    delete process.env.ROTOR_DATABASE_URL;
    delete process.env.ROTOR_PATIENCE;
  }
});

test("pages with plots hold no markup of columns", async () => {
  const column = "<img src=x onerror=alert(1)>";
  writeFileSync(
    at("markup.csv"),
    `lr,batch size,loss,${column}\n${[1, 2, 3, 4, 5, 6, 7, 8].map((n) => `0.0${n},8,${Math.abs(n - 2.5)},${column}${n % 2}`).join("\n")}\n`,
  );
  const { code, stderr } = await rotor(
    folder.path,
    "fit",
    "markup.csv",
    "--by",
    column,
    "--html",
    "page.html",
  );
  assert.equal(code, 0, stderr);
  assert.ok(!readFileSync(at("page.html"), "utf8").includes("<img src=x"));
});
