// Measures the expected-loss band of a preset: trains it with several seeds and prints mean and three standard deviations of
// the final validation loss. A transformer of codes gets an autoencoder of the same seed. Several processes may share the seeds: each
// prints its own.
// Usage: node scripts/measureExpectedLoss.ts <preset> <seeds> [<first seed> [<threads>]]
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { loadConfig } from "../src/config/index.ts";
import { trainRun } from "../src/train/index.ts";

const [preset = "tiny", count = "3", first = "0", threads = String(availableParallelism())] =
  process.argv.slice(2);
const seeds = Array.from({ length: Number(count) }, (_, i) => Number(first) + i);
const home = mkdtempSync(path.join(tmpdir(), "rotor-band-"));
try {
  const losses: number[] = [];
  const load = async (name: string, seed: number) => {
    const isLanguage = (await loadConfig(name)).task === "language";
    const quiet = isLanguage ? ["training.sampleTokens=0", "training.sampleEvery=0"] : [];
    return loadConfig(name, [`training.seed=${seed}`, `training.threads=${threads}`, ...quiet]);
  };
  for (const seed of seeds) {
    const config = await load(preset, seed);
    if (config.task === "codes") await trainRun({ config: await load(config.data.run, seed), home });
    const { validation } = await trainRun({ config, home });
    losses.push(validation!.loss);
    console.log(`seed ${seed}: ${validation!.loss.toPrecision(5)}`);
  }
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
  const deviation = Math.sqrt(losses.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (losses.length - 1));
  console.log(
    `${preset}: mean ${mean.toPrecision(5)}, three standard deviations ${(3 * deviation).toPrecision(5)}, ${losses.length} seeds`,
  );
} finally {
  rmSync(home, { recursive: true, force: true });
}
