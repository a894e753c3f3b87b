import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readMetricLog } from "./metricLog.ts";

const module = fileURLToPath(new URL("./metricLog.ts", import.meta.url));

/** Appends lines until there is no room, and says why it ended. */
const program = `
import { MetricLog } from ${JSON.stringify(module)};
const log = new MetricLog(process.argv[1]);
try {
  for (let step = 1; step < 10000; step += 3)
    log.append([0, 1, 2].map((more) => ({ step: step + more, name: "loss", value: 1 / step })));
} catch (error) {
  console.log(JSON.stringify([error.code, error.message]));
}`;

// A limit of the system for a file's size stands for a disk that fills up: a write takes a part, and the next one none.
test("a log for which there is no more room is named, and has whole lines", {
  skip: process.platform === "win32",
}, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rotor-log-"));
  const { stdout } = spawnSync(
    "sh",
    [
      "-c",
      `trap '' XFSZ; ulimit -f 9; exec "$@"`,
      "sh",
      process.execPath,
      "--input-type=module",
      "-e",
      program,
      folder,
    ],
    { encoding: "utf8" },
  );
  const file = path.join(folder, "metrics.jsonl");
  assert.deepEqual(JSON.parse(stdout), ["ROTOR_RUN_STORE", `metrics ${file}: EFBIG: file too large, write`]);
  const { rows, unreadable } = readMetricLog(file);
  assert.equal(unreadable, 0);
  assert.ok(rows.length > 30 && rows.length % 3 === 0);
  assert.deepEqual(
    rows.map(({ step }) => step),
    rows.map((_, i) => i + 1),
  );
  assert.ok(readFileSync(file, "utf8").endsWith("}\n"));
  rmSync(folder, { recursive: true });
});
