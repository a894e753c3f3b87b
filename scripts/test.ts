// Runs every test file with Node's own runner; arguments replace the default globs.
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

const patterns = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [
    "--test",
    "--test-reporter=spec",
    `--test-concurrency=${Math.min(2, availableParallelism())}`,
    ...(patterns.length > 0 ? patterns : ["src/**/*.test.ts", "tests/**/*.test.ts"]),
  ],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
