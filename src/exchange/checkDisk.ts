import { existsSync, statfsSync } from "node:fs";
import path from "node:path";
import { OutputError } from "../errors.ts";
import { inGigabytes } from "../memoryBudget.ts";

/**
 * Refuses what would exceed the disk, before anything is written.
 *
 * @param output - file or folder that is to be made
 * @param bytes - that it will take
 * @throws OutputError
 */
export function checkDisk(output: string, bytes: number): void {
  let place = path.resolve(output);
  while (!existsSync(place)) place = path.dirname(place);
  const { bavail, bsize } = statfsSync(place);
  if (bytes > bavail * bsize)
    throw new OutputError(
      `"${output}": needs ${inGigabytes(bytes)}, its disk has ${inGigabytes(bavail * bsize)} left`,
    );
}
