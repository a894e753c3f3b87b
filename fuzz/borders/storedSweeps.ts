import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { RunStoreError } from "../../src/errors.ts";
import { Outbox } from "../../src/sweeps/outbox.ts";
import { readSweep, readTrial } from "../../src/sweeps/storedTrial.ts";
import { exampleOutcome, examplePlan, exampleSweep } from "../../src/sweeps/testing/plans.ts";
import { border } from "../border.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

type Tree = Record<string, unknown>;
const id = "sweep-20260101-000000-abcd";
const { definition, base } = exampleSweep();
const sweep: Tree = { id, name: "example", definition, base, round: 0, code_version: "0.1.0" };
const [planned] = examplePlan(1);
const trial: Tree = {
  id: `${id}-1`,
  sweep_id: id,
  number: 1,
  round: 0,
  values: planned!.values,
  config: planned!.config,
  state: "ended",
  attempts: 1,
  worker: "machine:1:0",
  progress: { step: 1, numSteps: 2, loss: 1, runId: "run" },
  outcome: exampleOutcome(1),
};
const result: Tree = {
  location: "here",
  claim: { trial: { id: `${id}-1`, sweepId: id }, fence: 1 },
  outcome: exampleOutcome(1),
};
const rows = { sweep, trial, result };

/** Paths of all parts of a tree. */
const paths = (value: unknown, at: readonly string[] = []): string[][] =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [[...at, key], ...paths(inner, [...at, key])]);

interface Input {
  readonly kind: keyof typeof rows;
  readonly path: readonly string[];
  readonly value: unknown;
}

const value = fc.oneof(
  fc.constantFrom<unknown[]>(
    undefined,
    null,
    "",
    "..",
    "../../victim",
    "/etc/passwd",
    "a\0b",
    "\u001b[2J",
    -1,
    0.5,
    2 ** 53,
    1e308,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    [],
    {},
    true,
  ),
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constant(JSON.parse('{"__proto__": {"polluted": 1}}') as unknown),
);

function changed(tree: Tree, at: readonly string[], own: unknown): Tree {
  const copy = structuredClone(tree);
  let place = copy;
  for (const key of at.slice(0, -1)) place = place[key] as Tree;
  if (own === undefined) delete place[at.at(-1)!];
  else place[at.at(-1)!] = own;
  return copy;
}

const isId = (text: unknown) => typeof text === "string" && /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(text);

export default border<Input>({
  oracle:
    "ids stay plain names; what is unchanged is read as it was written, and a trial that can't be read has failed",
  inputs: fc
    .constantFrom(...(Object.keys(rows) as (keyof typeof rows)[]))
    .chain((kind) =>
      fc.record<Input>(
        { kind: fc.constant(kind), path: fc.constantFrom(...paths(rows[kind])), value },
        { noNullPrototype: true },
      ),
    ),
  check: async ({ kind, path: at, value }) => {
    const row = changed(rows[kind], at, value);
    if (kind === "sweep") {
      assert.ok(isId(readSweep(row, "store").id));
      return;
    }
    if (kind === "trial") {
      const read = readTrial(row, { id, base: base as never });
      assert.equal(read.id, `${id}-${read.number}`);
      assert.equal(read.sweepId, id);
      for (const runId of [read.outcome?.runId, read.progress?.runId])
        assert.ok(runId == null || isId(runId));
      if (read.outcome !== null) assert.equal(read.status, read.outcome.status);
      if (
        read.status === "failed" &&
        row.outcome !== null &&
        (row.outcome as { status?: unknown } | undefined)?.status !== "failed"
      )
        assert.ok((read.outcome?.message ?? "").includes("damaged"), JSON.stringify(read));
      return;
    }
    const own = path.join(folder, "undelivered");
    rmSync(own, { recursive: true, force: true });
    mkdirSync(own);
    writeFileSync(path.join(own, "a.json"), JSON.stringify(row));
    writeFileSync(path.join(own, "b.json"), JSON.stringify(result));
    const [taken, notes]: [unknown[], string[]] = [[], []];
    await new Outbox(own, "here").deliver(
      async (claim) => {
        assert.ok(isId(claim.trial.id) && isId(claim.trial.sweepId) && Number.isInteger(claim.fence));
        taken.push(claim);
        return true;
      },
      (note) => notes.push(note),
    );
    // The damaged one stays and stops nothing.
    assert.deepEqual(taken.at(-1), result.claim);
    assert.equal(existsSync(path.join(own, "a.json")), taken.length === 1);
    assert.deepEqual(
      readdirSync(own).filter((name) => name !== "a.json"),
      [],
    );
    assert.equal(notes.length, 2);
    if (taken.length === 1) throw new RunStoreError(notes[0]!);
  },
});
