import path from "node:path";
import { DataError } from "../errors.ts";

/**
 * Refuses files of which some are missing by their own names: `train-00000-of-00002.parquet` without the second. A download that was cut off leaves
 * such a folder, and training would go on with part of the data.
 *
 * @throws DataError naming the first file that isn't there
 */
export function checkShards(folder: string, files: readonly string[]): void {
  const sets = new Map<string, { count: number; named: string; found: Set<number> }>();
  for (const file of files) {
    const name = path.relative(folder, file);
    // Older data sets have a checksum of each file behind.
    const match = /^(.*)-(\d+)-of-(\d+)(?:-[0-9a-f]+)?(\.[^/\\]*)?$/.exec(name);
    if (match === null) continue;
    const [, prefix, index, total, ending] = match as unknown as [string, string, string, string, string?];
    const key = `${prefix}-of-${total}${ending ?? ""}`;
    const set = sets.get(key) ?? {
      count: Number(total),
      named: `${prefix}-#-of-${total}${ending ?? ""}`,
      found: new Set(),
    };
    sets.set(key, set);
    set.found.add(Number(index));
  }
  for (const { count, named, found } of sets.values()) {
    let missing = 0;
    while (found.has(missing)) missing++;
    if (missing >= count) continue;
    const digits = /-of-(\d+)/.exec(named)![1]!.length;
    throw new DataError(
      `data source "${folder}": ${named.replace("#", String(missing).padStart(digits, "0"))} is missing; ${found.size} of ${count} such files are there`,
    );
  }
}
