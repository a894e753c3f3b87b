import assert from "node:assert/strict";
import { test } from "node:test";
import { type FitGroupsOptions, fitGroups, groupOptions, studyGroups } from "../scaling/index.ts";
import { plantedSweep } from "../scaling/testing/plantedSweep.ts";
import { fitInThreads } from "./fitInThreads.ts";

test("groups fitted in threads have the fits of one thread, bit for bit, and its errors", async () => {
  const rows = [1, 2, 3, 4].flatMap((width) =>
    plantedSweep((b) => (0.1 * width) / (1 + 64 / b), {
      batchSizes: [16, 64, 256],
      noise: 0.005,
      seed: width,
    })
      // The last one can't be fitted.
      .filter((_, i) => width < 4 || i < 2)
      .map((row) => ({ ...row, covariates: { width } })),
  );
  const options: FitGroupsOptions = { confidence: 0.6, at: [{ key: {}, batchSize: 100 }] };
  const alone = fitGroups(rows, ["width"], options);
  const fit = await fitInThreads(studyGroups(rows, ["width"]), groupOptions(options), 2);
  let asked = 0;
  const together = fitGroups(rows, ["width"], {
    ...options,
    fit: (group, own) => {
      asked++;
      return fit(group, own);
    },
  });
  assert.equal(asked, 4);
  assert.equal(alone.groups.length, 3);
  assert.match(alone.left[0]!.reason, /3 learning rates/);
  // Functions have no JSON; they're asked below.
  assert.deepEqual(JSON.parse(JSON.stringify(together)), JSON.parse(JSON.stringify(alone)));
  const [a, b] = [alone.groups[1]!.fit, together.groups[1]!.fit];
  assert.deepEqual(b.predict(100), a.predict(100));
  assert.deepEqual(b.predict(33), a.predict(33));
  assert.equal(b.optima[0]!.curve(0.01), a.optima[0]!.curve(0.01));
  assert.equal(b.laws[0]!.predict(500), a.laws[0]!.predict(500));
});
