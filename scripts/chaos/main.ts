// Kills, stops, cuts and edits, and says what was lost: `npm run chaos`, or for the figures of docs/reliability.md
// `npm run chaos -- --long`. Servers listen on the loopback address only; all files are in a temporary folder.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { version } from "../../src/version.ts";
import { editCheckpoints } from "./checkpointEdits.ts";
import { killRealTrials } from "./realTrials.ts";
import { killPostgresSweep, killSqliteSweep } from "./sweeps.ts";
import { killTrainings } from "./trainings.ts";

const { values } = parseArgs({
  options: {
    long: { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const seed = Number(values.seed);
if (!Number.isSafeInteger(seed) || seed < 0)
  throw new RangeError(`--seed ${values.seed}: expected a whole number`);
const { long } = values;

const parts: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  checkpoints: (folder) => editCheckpoints(folder, long ? 1000 : 60, seed),
  trainings: (folder) => killTrainings(folder, long ? 80 : 3, seed),
  sweep: (folder) => killRealTrials(folder, { trials: long ? 40 : 6, kills: long ? 24 : 4, seed }),
  sqlite: (folder) =>
    killSqliteSweep(folder, { trials: long ? 200 : 30, kills: long ? 60 : 4, stops: long ? 20 : 1, seed }),
  postgres: (folder) =>
    killPostgresSweep(folder, {
      trials: long ? 200 : 30,
      kills: long ? 60 : 2,
      stops: long ? 20 : 1,
      restarts: long ? 4 : 1,
      cuts: long ? 8 : 1,
      seed,
    }),
};
const chosen = values.only === undefined ? Object.keys(parts) : values.only.split(",");
for (const name of chosen)
  if (!Object.hasOwn(parts, name))
    throw new RangeError(`--only ${name}: expected ${Object.keys(parts).join(", ")}`);

const folder = mkdtempSync(path.join(tmpdir(), "rotor-chaos-"));
try {
  console.log(JSON.stringify({ version, date: new Date().toISOString().slice(0, 10), seed, long }));
  for (const name of chosen) {
    const begin = performance.now();
    const place = path.join(folder, name);
    mkdirSync(place);
    // Whatever is lost, doubled or differs throws.
    const figures = await parts[name]!(place);
    console.log(
      JSON.stringify({
        part: name,
        ...(figures as object),
        seconds: Math.round((performance.now() - begin) / 1000),
      }),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
