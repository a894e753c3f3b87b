// Measures the expected-loss band of a preset: trains it with several seeds and prints mean and three standard deviations of
// the final validation loss. Usage: node scripts/measureExpectedLoss.ts <preset> <seeds>
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadConfig, trainRun } from "../src/train/index.ts";

const [preset = "tiny", count = "3"] = process.argv.slice(2);
const home = mkdtempSync(path.join(tmpdir(), "rotor-band-"));
try {
  const losses: number[] = [];
  for (let seed = 0; seed < Number(count); seed++) {
    const config = await loadConfig(preset, [
      `training.seed=${seed}`,
      "training.sampleTokens=0",
      "training.sampleEvery=0",
    ]);
    const { validation } = await trainRun({ config, home });
    losses.push(validation!.loss);
    console.log(`seed ${seed}: ${validation!.loss.toFixed(4)}`);
  }
  const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
  const deviation = Math.sqrt(losses.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (losses.length - 1));
  console.log(
    `${preset}: mean ${mean.toFixed(4)}, three standard deviations ${(3 * deviation).toFixed(4)}, ${losses.length} seeds`,
  );
} finally {
  rmSync(home, { recursive: true, force: true });
}
