import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { type ExperimentReport, experimentNames } from "../src/experiments/index.ts";
import { rotor, temporaryFolder } from "./command.ts";

test("the command lists every experiment", async () => {
  using folder = temporaryFolder();
  const { code, stdout } = await rotor(folder.path, "experiment");
  assert.equal(code, 0);
  for (const name of experimentNames) assert.match(stdout, new RegExp(`^${name} +\\S`, "m"));
});

test("--status says of the committed reports what holds, what fails, what stays open and what would settle it", async () => {
  using folder = temporaryFolder();
  const reports = path.resolve("experiments");
  const { code, stdout } = await rotor(folder.path, "experiment", "--status", "--out", reports, "--json");
  assert.equal(code, 0);
  const { experiments } = JSON.parse(stdout) as {
    experiments: {
      name: string;
      verdicts: { verdict: string; toSettle?: string }[] | null;
      trials: number;
    }[];
  };
  assert.deepEqual(
    experiments.map(({ name }) => name),
    experimentNames,
  );
  for (const { name, verdicts, trials } of experiments) {
    assert.ok(verdicts !== null && trials > 0, name);
    for (const { verdict, toSettle } of verdicts)
      assert.ok(toSettle === undefined || verdict === "open", name);
  }
  const none = await rotor(folder.path, "experiment", "muon", "--status");
  assert.equal(none.stdout.split("\n")[0], "muon: no report in experiments");
  const both = await rotor(folder.path, "experiment", "--status", "--quick");
  assert.equal(both.code, 1);
  assert.match(both.stderr, /^rotor: --status with --quick: [^\n]+\n$/);
});

for (const name of experimentNames) {
  test(`experiment ${name} --quick writes a report with verdicts, and runs no trial twice`, async () => {
    using folder = temporaryFolder();
    const run = () => rotor(folder.path, "experiment", name, "--quick", "--json");
    const { code, stdout, stderr } = await run();
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as ExperimentReport;
    assert.ok(report.verdicts.length >= 1);
    const target = path.join(folder.path, "experiments", `${name}-quick`);
    const text = readFileSync(path.join(target, "README.md"), "utf8");
    for (const { claim, expected, found, verdict } of report.verdicts) {
      assert.ok(claim !== "" && expected !== "" && found !== "", JSON.stringify(report.verdicts));
      assert.ok(["holds", "fails", "open"].includes(verdict));
      assert.ok(text.includes(`**${verdict}**`));
      assert.doesNotMatch(found, /NaN|undefined|Infinity/);
    }
    for (const section of report.sections) {
      if (section.kind === "plot")
        assert.ok(existsSync(path.join(target, `${section.file}.svg`)), section.file);
    }
    const trials = readFileSync(path.join(target, "trials.jsonl"), "utf8");
    const again = await run();
    assert.equal(again.code, 0, again.stderr);
    assert.equal(readFileSync(path.join(target, "trials.jsonl"), "utf8"), trials);
    assert.equal(again.stdout, stdout);
  });
}

test("an unknown experiment is one line and exit code 1", async () => {
  using folder = temporaryFolder();
  const { code, stdout, stderr } = await rotor(folder.path, "experiment", "alchemy");
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^rotor: experiment "alchemy": expected one of [^\n]*newton-schulz[^\n]*\n$/);
});
