import { writeFileAtomically } from "../data/index.ts";
import { measurementFile } from "../runs/index.ts";
import { version } from "../version.ts";
import { measuredCurve } from "./measuredCurve.ts";
import type { RunMeasurement } from "./measureRun.ts";

/** Places of the curve that is kept. */
const curvePlaces = 81;

/**
 * Keeps each checkpoint's measurement as `measurements/step-00000100.json` in the run's folder, for the page; an earlier one of the same
 * checkpoint is replaced. `readMeasurements` reads them.
 *
 * @returns the files
 * @throws OutputError naming the file that can't be written; RunStoreError if the folder is a link that leads elsewhere
 */
export function saveMeasurements(measured: RunMeasurement, measuredAt = new Date()): string[] {
  const { run, optimizer, batchSize, length, sample, checkpoints } = measured;
  return checkpoints.map((own) => {
    const file = measurementFile(run.directory, own.step);
    const facts = { version: 1, codeVersion: version, measuredAt: measuredAt.toISOString() };
    const size = { run: run.id, optimizer, batchSize, length, sample };
    const curve = measuredCurve(own, curvePlaces);
    writeFileAtomically(file, `${JSON.stringify({ ...facts, ...size, ...own, curve })}\n`);
    return file;
  });
}
