import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { rotor, temporaryFolder, writeMicroConfig } from "./command.ts";

interface Result {
  readonly coefficients: readonly number[];
  readonly schedule?: readonly (readonly number[])[];
  readonly matrices: number;
  readonly boundedUpTo: number;
  readonly errors: Readonly<Record<string, { readonly mean: number; readonly standardError: number | null }>>;
}

async function find(folder: string, ...args: string[]): Promise<Result> {
  const { code, stdout, stderr } = await rotor(folder, "coefficients", ...args, "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Result;
}

test("coefficients prints the row of the table, curves and a schedule", async () => {
  using folder = temporaryFolder();
  const args = ["--rows", "256", "--cols", "128", "--steps", "3", "--samples", "2"];
  const plain = await rotor(folder.path, "coefficients", ...args);
  assert.equal(plain.code, 0);
  assert.match(plain.stdout, /^n +m +T +κ +x₁ +x₂ +a +b +c +mse +Muon's mse\n256 +128 +3 +\d+\.\d{3}/);
  assert.match(plain.stdout, /\nfound\n[\s\S]*┼[\s\S]*σ 0[\s\S]*\nMuon\n/);
  assert.doesNotMatch(plain.stdout, /Polar Express/);
  const full = await rotor(folder.path, "coefficients", ...args, "--schedule");
  assert.match(full.stdout, /\nstep +a +b +c\n1 [^\n]*\n2 [^\n]*\n3 [^\n]*\n\nmse of this schedule/);
  assert.match(full.stdout, /\nPolar Express\n/);
});

test("every flag changes the result", async () => {
  using folder = temporaryFolder();
  const base = ["--rows", "128", "--cols", "128", "--steps", "3", "--samples", "2"];
  const plain = await find(folder.path, ...base);
  assert.equal(plain.matrices, 2);
  assert.ok(plain.errors.constant!.mean < plain.errors.muon!.mean);
  const changed = await Promise.all([
    find(folder.path, "--rows", "256", ...base.slice(2)),
    find(folder.path, ...base.slice(0, 2), "--cols", "64", ...base.slice(4)),
    find(folder.path, ...base.slice(0, 4), "--steps", "4", ...base.slice(6)),
    find(folder.path, ...base.slice(0, 6), "--samples", "3"),
    find(folder.path, ...base, "--seed", "5"),
    find(folder.path, ...base, "--bounded"),
  ]);
  for (const other of changed) assert.notDeepEqual(other.coefficients, plain.coefficients);
  const { schedule, errors, boundedUpTo } = await find(folder.path, ...base, "--schedule");
  assert.ok(boundedUpTo < 1);
  assert.ok((await find(folder.path, ...base, "--schedule", "--bounded")).boundedUpTo >= 1);
  assert.equal(schedule!.length, 3);
  assert.ok(
    errors.schedule!.mean < errors.constant!.mean && errors.schedule!.mean < errors.polarExpress!.mean,
  );
});

test("Muon trains with a table that was found on the momentum of a run", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  assert.equal((await rotor(folder.path, "train", config)).code, 0);
  const args = ["--run", "latest", "--steps", "3", "--schedule", "--bounded"];
  const all = await find(folder.path, ...args);
  const some = await find(
    folder.path,
    ...args,
    "--shape",
    "16x16",
    "--checkpoint",
    "20",
    "--out",
    "found.json",
  );
  assert.equal(some.matrices, 4);
  assert.ok(all.matrices > some.matrices);
  const written = JSON.parse(readFileSync(path.join(folder.path, "found.json"), "utf8")) as {
    format: string;
    steps: unknown;
    source: string;
  };
  assert.equal(written.format, "rotor-coefficients");
  assert.deepEqual(written.steps, some.schedule);
  assert.match(written.source, /^rotor coefficients --run \S+ --checkpoint 20 --shape 16x16 --steps 3/);
  const losses = async (...overrides: string[]) => {
    const set = overrides.flatMap((override) => ["--set", override]);
    const result = await rotor(folder.path, "train", config, ...set, "--json");
    assert.equal(result.code, 0, result.stderr);
    return (JSON.parse(result.stdout) as { validation: { loss: number } }).validation.loss;
  };
  const own = await losses("optimizer.coefficients=found.json");
  assert.notEqual(own, await losses("optimizer.steps=3"));
  // The file's triples, given in the configuration itself, are the same run.
  assert.equal(
    own,
    await losses(`optimizer.coefficients=${JSON.stringify(written.steps)}`, "optimizer.steps=3"),
  );
});

test("a table that diverges is written with a word, and Muon refuses it", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  const args = ["--rows", "256", "--cols", "128", "--steps", "3", "--schedule", "--out", "narrow.json"];
  const { stderr } = await rotor(folder.path, "coefficients", ...args);
  assert.match(stderr, /\nrotor: narrow\.json: singular values above 0\.\d+ diverge in 3 steps[^\n]*\n$/);
  const refused = await rotor(folder.path, "train", config, "--set", "optimizer.coefficients=narrow.json");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^rotor: config: optimizer\.coefficients: singular values above [^\n]*\n$/);
});

test("files that aren't tables are refused in one line", async () => {
  using folder = temporaryFolder();
  const config = writeMicroConfig(folder.path);
  writeFileSync(path.join(folder.path, "text.json"), "no JSON");
  writeFileSync(path.join(folder.path, "other.json"), '{"steps": [[1, 2, 3]]}');
  writeFileSync(
    path.join(folder.path, "short.json"),
    '{"format": "rotor-coefficients", "version": 1, "steps": [[1, 2]]}',
  );
  const rows: [string, RegExp][] = [
    ["none.json", /"none\.json": no such file; expected one of taylor, /],
    ["text.json", /"text\.json": is not JSON/],
    ["other.json", /"other\.json": format: is not a table of coefficients/],
    ["short.json", /"short\.json": steps\.0(\.\d)?: is not a table of coefficients/],
    [".", /"\.": EISDIR/],
  ];
  for (const [file, message] of rows) {
    const result = await rotor(folder.path, "train", config, "--set", `optimizer.coefficients=${file}`);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /^rotor: config: optimizer\.coefficients [^\n]+\n$/);
    assert.match(result.stderr, message);
  }
});
