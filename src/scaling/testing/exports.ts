import type { SweepRow } from "../index.ts";

/** Losses as Python prints them. */
const loss = (row: SweepRow) => (Number.isFinite(row.loss) ? String(row.loss) : "");

const csv = (rows: readonly (readonly (string | number)[])[], quoted = false) =>
  `${rows.map((row) => row.map((value) => (quoted ? `"${value}"` : value)).join(",")).join("\n")}\n`;

/** The table of runs as W&B's page exports it: all cells quoted, nested configuration with dots, NaN written out. */
export function wandbExport(rows: readonly SweepRow[]): string {
  return csv(
    [
      [
        "Name",
        "State",
        "Created",
        "Runtime",
        "Sweep",
        "optimizer.lr",
        "batch_size",
        "seed",
        "_step",
        "train/loss",
        "val/loss",
      ],
      ...rows.map((row, i) => [
        `glad-sweep-${i + 1}`,
        "finished",
        "2026-03-02T10:11:12.000Z",
        341 + i,
        "x7k2p9",
        row.learningRate,
        row.batchSize,
        row.seed ?? 0,
        1999,
        row.loss - 0.1,
        row.loss,
      ]),
      ["glad-sweep-x", "running", "2026-03-02T10:11:12.000Z", 12, "x7k2p9", 0.01, 8, 0, 17, 9.1, 9.2],
    ],
    true,
  );
}

/** `mlflow.search_runs().to_csv()`: parameters and metrics with prefixes, runs that failed without a metric. */
export function mlflowExport(rows: readonly SweepRow[]): string {
  return csv([
    [
      "run_id",
      "experiment_id",
      "status",
      "artifact_uri",
      "start_time",
      "end_time",
      "metrics.val_loss",
      "metrics.lr",
      "params.learning_rate",
      "params.batch_size",
      "tags.mlflow.user",
    ],
    ...rows.map((row, i) => [
      `0f${i}`,
      1,
      Number.isFinite(row.loss) ? "FINISHED" : "FAILED",
      `mlruns/1/0f${i}/artifacts`,
      "2026-03-02 10:11:12.000000+00:00",
      "2026-03-02 10:21:12.000000+00:00",
      loss(row),
      0, // the last value of a schedule that decays to zero: not the learning rate of the run
      row.learningRate,
      row.batchSize,
      "ada",
    ]),
  ]);
}

/** The table of TensorBoard's HPARAMS tab. */
export function tensorboardExport(rows: readonly SweepRow[]): string {
  return csv([
    ["Trial ID", "lr", "bsize", "Metrics.loss/validation"],
    ...rows.map((row, i) => [`trial${i}`, row.learningRate, row.batchSize, row.loss]),
  ]);
}

/** `study.trials_dataframe().to_csv()`, with its unnamed index, pruned and failed trials. */
export function optunaExport(rows: readonly SweepRow[]): string {
  return csv([
    [
      "",
      "number",
      "value",
      "datetime_start",
      "datetime_complete",
      "duration",
      "params_batch_size",
      "params_eps",
      "params_lr",
      "user_attrs_seed",
      "state",
    ],
    ...rows.map((row, i) => [
      i,
      i,
      loss(row),
      "2026-03-02 10:11:12.345678",
      "2026-03-02 10:12:12.345678",
      "0 days 00:01:00",
      row.batchSize,
      "1e-08",
      row.learningRate,
      i % 3,
      Number.isFinite(row.loss) ? "COMPLETE" : "FAIL",
    ]),
    [
      999,
      999,
      7.5,
      "2026-03-02 10:11:12.345678",
      "2026-03-02 10:11:13.345678",
      "0 days 00:00:01",
      8,
      "1e-08",
      0.3,
      1,
      "PRUNED",
    ],
  ]);
}
