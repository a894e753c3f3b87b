import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, DataError } from "../../errors.ts";
import { fitSweep, type SweepRow } from "../index.ts";
import { plantedSweep } from "../testing/plantedSweep.ts";
import { covariateEffects } from "./covariateEffects.ts";
import { fitGroups } from "./fitGroups.ts";
import { PoolingError } from "./poolRows.ts";

const batchSizes = [16, 32, 64, 128, 256, 512];

/** Sweeps at several sizes and token budgets: η* ∝ N^a·D^b, up to a best batch size ∝ D^c that the losses show. */
function study(
  places: readonly { readonly params: number; readonly tokens: number }[],
  best: (batchSize: number, params: number, tokens: number) => number,
  bestBatch: (tokens: number) => number,
  seed = 11,
): SweepRow[] {
  return places.flatMap(({ params, tokens }, i) =>
    plantedSweep((b) => best(b, params, tokens), { batchSizes, noise: 0.002, seed: seed + i }).map((row) => ({
      ...row,
      tokens,
      // Without the planted sweep's own fall with the batch size.
      loss:
        row.loss +
        0.05 * Math.log(row.batchSize) +
        0.05 * Math.log(row.batchSize / bestBatch(tokens)) ** 2 +
        1e8 / params,
      covariates: { params, noted: `run ${row.batchSize}` },
    })),
  );
}

const places = [1e7, 4e7, 1.6e8].flatMap((params) =>
  [2e9, 8e9, 3.2e10].map((tokens) => ({ params, tokens: tokens * Math.sqrt(params / 4e7) })),
);
const bestBatch = (tokens: number) => 100 * (tokens / 8e9) ** 0.5;
const planted = (batchSize: number, params: number, tokens: number) =>
  0.01 * (params / 4e7) ** -0.7 * (tokens / 8e9) ** 0.3 * Math.min(1, batchSize / bestBatch(tokens)) ** 0.75;

describe("further columns", () => {
  const two = (factor: number) =>
    [1e7, 8e7].flatMap((params, i) =>
      plantedSweep((b) => (i === 0 ? 1 : factor) * planted(b, 4e7, 8e9), {
        batchSizes,
        noise: 0.003,
        seed: 3 + i,
      }).map((row) => ({ ...row, loss: row.loss + i, covariates: { params } })),
    );

  test("that shift the best learning rate are refused, with their number of values and factor", () => {
    const [effect] = covariateEffects(two(0.25));
    assert.ok(effect!.matters && Math.abs(effect!.factor! - 4) < 0.5, JSON.stringify(effect));
    assert.throws(
      () => fitSweep(two(0.25)),
      (error) =>
        error instanceof PoolingError &&
        error instanceof DataError &&
        /^`params` has 2 values whose best learning rates differ (3\.\d|4(\.\d)?) times: group by it or select one$/.test(
          error.message,
        ),
    );
  });

  test("that only shift the loss are pooled without its level, and said", () => {
    assert.ok(!covariateEffects(two(1))[0]!.matters);
    // On one grid of learning rates, losses can be compared run by run.
    const rows = [1e7, 8e7].flatMap((params, i) =>
      plantedSweep((b) => planted(b, 4e7, 8e9), { batchSizes, noise: 0.003, seed: 3 }).map((row) => ({
        ...row,
        loss: row.loss + i,
        covariates: { params },
      })),
    );
    const fit = fitSweep(rows);
    assert.ok(fit.covariates[0]!.explained! > 0.95);
    assert.ok(
      fit.warnings.some((text) => /^`params` varies too \(2 values, explains \d+ %/.test(text)),
      fit.warnings.join("\n"),
    );
    // Without the level's removal the noise would be that of the levels, a half.
    assert.ok(fit.noise! < 0.02, String(fit.noise));
    for (const { batchSize, value } of fit.optima)
      assert.ok(Math.abs(Math.log(value / planted(batchSize, 4e7, 8e9))) < 0.15, `${batchSize}: ${value}`);
  });

  test("that follow the batch size say nothing", () => {
    const rows = two(1).map((row) => ({ ...row, covariates: { iterations: 1e6 / row.batchSize } }));
    assert.deepEqual(covariateEffects(rows), []);
  });
});

describe("one law of all groups", () => {
  const rows = study(places, planted, bestBatch);
  const fit = fitGroups(rows, ["params", "tokens"], {});

  test("finds the planted exponents, of learning rate and best batch size", () => {
    assert.equal(fit.groups.length, 9);
    const joint = fit.joint!;
    assert.ok(joint.alongBestBatch);
    const [params, tokens] = joint.exponents;
    assert.equal(params!.name, "params");
    for (const [found, truth] of [
      [params!, -0.7],
      [tokens!, 0.3],
      [joint.bestBatchExponents![0]!, 0],
      [joint.bestBatchExponents![1]!, 0.5],
    ] as const) {
      assert.ok(
        found.low < truth && truth < found.high,
        `${found.name}: ${found.low} to ${found.high}, not ${truth}`,
      );
      assert.ok(Math.abs(found.value - truth) < 0.1, `${found.name}: ${found.value}, not ${truth}`);
    }
  });

  test("predicts a group that was left out, and its best batch size", () => {
    const left = places[4]!;
    const rest = fitGroups(
      rows.filter(({ covariates, tokens }) => covariates!.params !== left.params || tokens !== left.tokens),
      ["params", "tokens"],
      { at: [{ key: left, batchSize: 64 }] },
    );
    const [prediction] = rest.predictions;
    assert.equal(prediction!.known, false);
    const truth = planted(64, left.params, left.tokens);
    assert.ok(prediction!.low < truth && truth < prediction!.high);
    assert.ok(
      Math.abs(Math.log(prediction!.value / truth)) < 0.15,
      `${prediction!.value} instead of ${truth}`,
    );
    assert.ok(Math.abs(Math.log(prediction!.bestBatchSize!.value / bestBatch(left.tokens))) < 0.3);
  });

  test("uses the others where a group's own sweep ends", () => {
    const own = places[4]!;
    const cut = rows.filter(
      ({ covariates, tokens, batchSize }) =>
        covariates!.params !== own.params || tokens !== own.tokens || batchSize <= 64,
    );
    const at = [{ key: own, batchSize: 512 }];
    const [joint] = fitGroups(cut, ["params", "tokens"], { at }).predictions;
    const truth = planted(512, own.params, own.tokens);
    assert.equal(joint!.known, true);
    const alone = fitSweep(
      cut.filter(({ covariates, tokens }) => covariates!.params === own.params && tokens === own.tokens),
      { at: [512] },
    ).predictions[0]!;
    const miss = ({ value }: { value: number }) => Math.abs(Math.log(value / truth));
    assert.ok(miss(joint!) < 0.2, `${joint!.value} instead of ${truth}`);
    assert.ok(Math.log(joint!.high / joint!.low) < Math.log(alone.high / alone.low));
  });

  test("words have levels, not exponents", () => {
    const words = ["adamw", "lion"].flatMap((optimizer, i) =>
      plantedSweep((b) => (i === 0 ? 0.01 : 0.001) * Math.sqrt(b / 64), {
        batchSizes,
        noise: 0.003,
        seed: 5 + i,
      }).map((row) => ({ ...row, covariates: { optimizer } })),
    );
    const { joint, predictions } = fitGroups(words, ["optimizer"], { at: [{ key: {}, batchSize: 1024 }] });
    assert.deepEqual(joint!.exponents, []);
    assert.deepEqual(
      predictions.map(({ key }) => key.optimizer),
      ["adamw", "lion"],
    );
    assert.ok(Math.abs(Math.log(predictions[0]!.value / predictions[1]!.value / 10)) < 0.3);
  });

  const errors: [what: string, run: () => unknown, message: RegExp][] = [
    [
      "a column that isn't there",
      () => fitGroups(rows, ["size"]),
      /by "size": no such column that varies; found "params"/,
    ],
    ["no column", () => fitGroups(rows, []), /expected the name of a column/],
    [
      "a place with an unknown column",
      () => fitGroups(rows, ["params", "tokens"], { at: [{ key: { width: 3 }, batchSize: 4 }] }),
      /at "width": is no column that groups/,
    ],
    [
      "a place with one of two values",
      () => fitGroups(rows, ["params", "tokens"], { at: [{ key: { params: 1e7 }, batchSize: 4 }] }),
      /expected a value of tokens too/,
    ],
  ];
  for (const [what, run, message] of errors) {
    test(`${what}: an error`, () => {
      assert.throws(
        run,
        (error) =>
          (error instanceof ConfigError || error instanceof DataError) && message.test(error.message),
      );
    });
  }
});
