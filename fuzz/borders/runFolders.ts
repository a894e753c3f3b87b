import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import {
  latestCheckpoint,
  openCheckpoint,
  type StoredTensor,
  saveCheckpoint,
} from "../../src/checkpoint/index.ts";
import { CheckpointError, RotorError } from "../../src/errors.ts";
import { RunStore, readMetricLog, rebuildRunStore, removeLeftovers } from "../../src/runs/index.ts";
import { border } from "../border.ts";

const folder = mkdtempSync(path.join(tmpdir(), "rotor-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const config = { name: "small", training: { steps: 4 }, optimizer: { kind: "sgd", learningRate: 0.02 } };
const template = path.join(folder, "template");
const metrics = [1, 2, 3].map((step) => ({ step, name: "loss", value: 1 / step }));

/** A home with a run that has a checkpoint and metrics, made once. @returns the run's id */
function makeTemplate(): string {
  using store = new RunStore(template);
  const { id, directory } = store.createRun({ name: "small", config, seed: 1, codeVersion: "1" });
  const tensors = new Map<string, StoredTensor>([
    ["params.w", { dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) }],
  ]);
  const { seal } = saveCheckpoint(directory, tensors, {
    step: 3,
    config,
    seed: 1,
    dataCursor: { step: 3, epochs: 0.5 },
    codeVersion: "1",
    tokenizer: null,
    validationLoss: 2,
  });
  store.recordCheckpoint(id, 3, seal);
  store.appendMetrics(id, metrics);
  writeFileSync(
    path.join(directory, "metrics.jsonl"),
    metrics.map(({ step, value }) => `${JSON.stringify({ step, loss: value })}\n`).join(""),
  );
  store.setStatus(id, "finished", null, { step: 3 });
  return id;
}
const id = makeTemplate();
const below = (name: string) => path.join("runs", id, name);
const files = {
  run: below("run.json"),
  metrics: below("metrics.jsonl"),
  lock: below("lock"),
  sidecar: below("checkpoints/step-00000003.json"),
  tensors: below("checkpoints/step-00000003.safetensors"),
  store: "rotor.sqlite",
};
const intact = latestCheckpoint(path.join(template, "runs", id));

interface Edit {
  readonly file: keyof typeof files;
  /** Bytes from `at` (a share of the file) on are replaced. */
  readonly at: number;
  readonly cut: number;
  readonly insert: string;
}

interface Input {
  readonly edits: readonly Edit[];
  readonly isStoreLost: boolean;
}

const insert = fc.oneof(
  fc.constantFrom(
    "",
    "0",
    "9",
    "-",
    "null",
    '"',
    "}",
    "{",
    "\n",
    "\0",
    "../",
    "1e999",
    '"__proto__":1,',
    "\u001b[2J",
  ),
  fc.string({ unit: "binary", maxLength: 5 }),
);
const edit = fc.record<Edit>(
  {
    file: fc.constantFrom(...(Object.keys(files) as (keyof typeof files)[])),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.oneof(fc.nat(8), fc.constant(1e9)),
    insert,
  },
  { noNullPrototype: true },
);

export default border<Input>({
  oracle:
    "a checkpoint is opened only as it was written; what else lies in the folder stays, and a store that was made anew has no problems left",
  inputs: fc.record<Input>(
    { edits: fc.array(edit, { minLength: 0, maxLength: 3 }), isStoreLost: fc.boolean() },
    { noNullPrototype: true },
  ),
  shortRuns: 60,
  check: ({ edits, isStoreLost }) => {
    const root = path.join(folder, "root");
    const home = path.join(root, "home");
    rmSync(root, { recursive: true, force: true });
    cpSync(template, home, { recursive: true });
    const victim = path.join(root, "victim");
    writeFileSync(victim, "precious");
    for (const { file, at, cut, insert } of edits) {
      const place = path.join(home, files[file]);
      const before = existsSync(place) ? readFileSync(place) : Buffer.alloc(0);
      const from = Math.floor(at * before.length);
      writeFileSync(
        place,
        Buffer.concat([before.subarray(0, from), Buffer.from(insert), before.subarray(from + cut)]),
      );
    }
    if (isStoreLost)
      for (const ending of ["", "-wal", "-shm"])
        rmSync(path.join(home, `rotor.sqlite${ending}`), { force: true });

    const problems: string[] = [];
    /** Whatever is refused is refused by an error of Rotor's. */
    const attempt = <T>(body: () => T): T | null => {
      try {
        return body();
      } catch (error) {
        if (!(error instanceof RotorError)) throw error;
        problems.push(error.message);
        return null;
      }
    };
    const look = () => {
      using store = new RunStore(home, { readOnly: true });
      problems.push(...store.problems());
      for (const run of store.listRuns())
        for (const name of store.metricNames(run.id)) store.metric(run.id, name);
      const run = attempt(() => store.getRun("latest"));
      if (run === null) return;
      assert.equal(run.directory, path.join(home, "runs", run.id));
      try {
        const { tensors, sidecar } = openCheckpoint(store, run, "latest");
        assert.deepEqual(tensors, intact.tensors);
        assert.ok(isDeepStrictEqual(sidecar, intact.sidecar), "an edited sidecar is taken");
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        problems.push(error.message);
      }
    };
    attempt(look);
    removeLeftovers(home);
    const log = readMetricLog(path.join(home, files.metrics));
    assert.ok(log.rows.every(({ step, value }) => Number.isInteger(step) && Number.isFinite(value)));
    const rebuilt = attempt(() => rebuildRunStore(home));
    if (rebuilt !== null) {
      using store = new RunStore(home, { readOnly: true });
      // A folder of which nothing can be read isn't taken in.
      const left = store.problems();
      assert.ok(
        left.every((problem) => /doesn't know 1 run folder/.test(problem)),
        left.join("; "),
      );
      assert.ok(left.length === 0 || rebuilt.notes.length > 0);
    }
    attempt(look);
    assert.equal(readFileSync(victim, "utf8"), "precious");
    if (edits.length === 0 && !isStoreLost) assert.deepEqual(problems, []);
    if (problems.length > 0) throw new CheckpointError(problems[0]!);
  },
});
