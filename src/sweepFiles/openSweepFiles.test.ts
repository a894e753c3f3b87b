import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync, zstdCompressSync } from "node:zlib";
import { DataError } from "../errors.ts";
import { type ReadSweepOptions, readSweep, type SweepRow } from "../scaling/index.ts";
import { openSweepFiles } from "./index.ts";

const exports = fileURLToPath(new URL("./testing/exports/", import.meta.url));

function temporaryFolder(): { path: string } & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-test-"));
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The formula of scripts/references/trackers.py at its last step. */
function expectedLoss(batchSize: number, learningRate: number): number {
  if (batchSize === 64 && learningRate === 0.1) return Number.NaN;
  return 3 + 0.1 * Math.log(learningRate / (0.02 / (1 + 64 / batchSize))) ** 2 + 10 / 30;
}

type Status = "finished" | "diverged" | "missing" | "left out";

const statusOf = (row: SweepRow | undefined): Status =>
  row === undefined ? "left out" : (row.status ?? (Number.isNaN(row.loss) ? "diverged" : "finished"));

/** All six runs, with the configured learning rate and the last loss; what became of the two that ended otherwise depends on the tracker. */
function check(file: string, options: ReadSweepOptions, at16: Status, at64: Status, tolerance = 1e-12): void {
  const table = readSweep(openSweepFiles([file]), options);
  for (const batchSize of [16, 64]) {
    for (const learningRate of [0.001, 0.01, 0.1]) {
      const found = table.rows.filter(
        (row) => row.batchSize === batchSize && row.learningRate === learningRate,
      );
      assert.ok(found.length <= 1, file);
      const status = learningRate < 0.1 ? "finished" : batchSize === 16 ? at16 : at64;
      assert.equal(statusOf(found[0]), status, `${file}: ${batchSize}, ${learningRate}`);
      if (status === "finished")
        assert.ok(
          Math.abs(found[0]!.loss / expectedLoss(batchSize, learningRate) - 1) < tolerance,
          `${file}: ${found[0]!.loss}`,
        );
    }
  }
  assert.deepEqual(table.covariates, [], file);
}

const unpacked = (name: string, folder: string) => {
  const file = path.join(folder, name);
  writeFileSync(file, gunzipSync(readFileSync(path.join(exports, `${name}.gz`))));
  return file;
};

test("W&B's offline runs: the configured rate, not the one that was logged", () =>
  check(path.join(exports, "wandb"), {}, "missing", "diverged"));

test("MLflow: its store, its folders, the data frame", () => {
  using folder = temporaryFolder();
  check(unpacked("mlflow.db", folder.path), {}, "missing", "diverged");
  check(path.join(exports, "mlruns"), {}, "missing", "diverged");
  // The frame's cell of a NaN is empty; the run says that it finished.
  check(path.join(exports, "mlflow.csv"), {}, "missing", "diverged");
});

test("Optuna: its store knows the direction, the data frame is asked for it", () => {
  using folder = temporaryFolder();
  check(unpacked("optuna.db", folder.path), {}, "left out", "missing");
  assert.throws(
    () => readSweep(openSweepFiles([path.join(exports, "optuna.csv")])),
    /"value" doesn't say whether/,
  );
  check(path.join(exports, "optuna.csv"), { direction: "minimize" }, "left out", "missing");
});

// float32 has seven digits.
test("TensorBoard's event files with their hyperparameters", () =>
  check(path.join(exports, "tensorboard"), {}, "finished", "diverged", 1e-6));

test("Ray Tune: its folder, the data frame", () => {
  check(path.join(exports, "ray"), {}, "finished", "diverged");
  check(path.join(exports, "ray.csv"), {}, "finished", "missing");
});

test("Lightning's CSVLogger with its hparams.yaml", () =>
  check(path.join(exports, "lightning_logs"), {}, "finished", "diverged"));

test("Keras's CSVLogger, settings in the files' names", () => {
  const { rows } = readSweep(openSweepFiles([path.join(exports, "keras")]));
  assert.equal(rows.length, 6);
  for (const { learningRate, batchSize, loss } of rows) {
    const text = readFileSync(
      path.join(exports, `keras/lr=${learningRate}_batch_size=${batchSize}.csv`),
      "utf8",
    );
    const [header, ...lines] = text
      .trim()
      .split(/\r?\n/)
      .map((line) => line.split(","));
    assert.equal(loss, Number(lines.at(-1)![header!.indexOf("val_loss")]));
  }
});

test("Transformers' trainer_state.json: the largest rate that was logged", () => {
  const table = readSweep(openSweepFiles([path.join(exports, "transformers")]));
  assert.deepEqual(table.rows.map(({ learningRate }) => learningRate).sort(), [0.001, 0.01, 0.1]);
  assert.ok(table.rows.every(({ loss, steps }) => Number.isFinite(loss) && steps === 4));
});

test("compressed tables, folders of tables, and what can't be read", () => {
  using folder = temporaryFolder();
  const file = (name: string, content: string | Uint8Array) => {
    const place = path.join(folder.path, name);
    mkdirSync(path.dirname(place), { recursive: true });
    writeFileSync(place, content);
    return place;
  };
  const text = "lr,bs,loss\n0.1,8,3\n0.2,8,2\n";
  const halves = ["lr,bs,loss\n0.1,8,3\n", "0.2,8,2\n"];
  for (const place of [
    file("a.csv.gz", gzipSync(text)),
    file("b.csv.zst", zstdCompressSync(text)),
    file("joined.csv.gz", Buffer.concat(halves.map((half) => gzipSync(half)))),
    file("joined.csv.zst", Buffer.concat(halves.map((half) => zstdCompressSync(half)))),
  ])
    assert.deepEqual(readSweep(openSweepFiles([place])).rows.length, 2);
  const both = readSweep(openSweepFiles([file("t/a.csv", text), file("t/b.csv", text)]));
  assert.equal(both.rows.length, 2, "rows that two files hold are one run");
  assert.match(both.warnings.join(), /2 rows equal to another in all columns/);
  const named = readSweep(
    openSweepFiles([
      file("n/lr=0.1_bs=8.csv", "epoch,val_loss\n1,3\n2,2.5\n"),
      file("n/lr=0.2_bs=8.csv", "epoch,val_loss\n1,3\n2,nan\n"),
    ]),
  );
  assert.deepEqual(
    named.rows.map(({ learningRate, batchSize, loss }) => [learningRate, batchSize, loss]),
    [
      [0.1, 8, 2.5],
      [0.2, 8, Number.NaN],
    ],
  );
  const bad: [place: string, message: RegExp][] = [
    [path.join(folder.path, "none.csv"), /none\.csv: no such file/],
    [
      file("joined-cut.zst", Buffer.concat(halves.map((half) => zstdCompressSync(half))).subarray(0, -6)),
      /compressed data are damaged/,
    ],
    [file("cut.gz", gzipSync(text).subarray(0, 20)), /compressed data are damaged/],
    [file("empty/x.bin", "x"), /holds no runs/],
    [file("bad.db", `SQLite format 3\0${"x".repeat(200)}`), /can't be read/],
    [file("run.wandb", ":W&B\x01\x02\x00"), /can't be read|no|expected/],
  ];
  for (const [place, message] of bad)
    assert.throws(
      () => readSweep(openSweepFiles([place.endsWith("x.bin") ? path.dirname(place) : place])),
      (error) => error instanceof DataError && message.test(error.message) && !error.message.includes("\n"),
      place,
    );
  copyFileSync(path.join(exports, "mlflow.csv"), path.join(folder.path, "copy.csv"));
  assert.equal(readSweep(openSweepFiles([path.join(folder.path, "copy.csv")])).rows.length, 6);
});
