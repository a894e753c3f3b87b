// The short run of `npm run chaos`; queues of many trials have tests/sweepCrashes.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { editCheckpoints } from "../scripts/chaos/checkpointEdits.ts";
import { killRealTrials } from "../scripts/chaos/realTrials.ts";
import { killTrainings } from "../scripts/chaos/trainings.ts";
import { temporaryFolder } from "./command.ts";

test("a training that is killed twice ends bit for bit as one that nobody touched", async () => {
  using folder = temporaryFolder();
  const { kills } = await killTrainings(folder.path, 2, 1);
  assert.equal(kills, 2);
});

test("no edited checkpoint is accepted", async () => {
  using folder = temporaryFolder();
  assert.deepEqual(await editCheckpoints(folder.path, 40, 1), { edits: 40, accepted: 0 });
});

test("a sweep of real trainings that is killed twice ends as one that nobody touched", async () => {
  using folder = temporaryFolder();
  const { kills, trials } = await killRealTrials(folder.path, { trials: 3, kills: 2, seed: 2 });
  assert.deepEqual([kills, trials], [2, 3]);
});
