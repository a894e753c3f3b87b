// Kinds of tables on which a reader goes wrong silently, or refuses for no reason: each is the same made sweep, written so.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DataError } from "../../errors.ts";
import { normalSampler } from "../../numbers/index.ts";
import { fitGroups, fitSweep, PoolingError, readSweep } from "../index.ts";

interface Run {
  readonly rate: number;
  readonly batch: number;
  readonly loss: number;
}

const sizes = [16, 32, 64, 128, 256];
const best = (batch: number) => 0.02 / (1 + 64 / batch);
const rise = (d: number) => (0.12 * (Math.exp(0.6 * d) - 0.6 * d - 1)) / 0.36;
const fourDigits = (value: number) => Number(value.toPrecision(4));

/** Seven learning rates a factor of 2 apart around the best of each batch size. */
function madeRuns({ scale = 1, level = 0, steps = 3, at = sizes, rule = best, seed = 1 } = {}): Run[] {
  const draw = normalSampler(seed);
  return at.flatMap((batch) =>
    Array.from({ length: 2 * steps + 1 }, (_, i) => {
      const rate = fourDigits(scale * rule(batch) * 2 ** (i - steps));
      const loss = 3 + level - 0.0125 * Math.log2(batch) + rise(Math.log(rate / (scale * rule(batch))));
      return { rate, batch, loss: fourDigits(loss + 0.003 * draw()) };
    }),
  );
}

const runs = madeRuns();
const plain = (list: readonly Run[]) =>
  list.map(({ rate, batch, loss }) => ({ learningRate: rate, batchSize: batch, loss }));
const csv = (columns: string, rows: readonly (readonly (string | number)[])[]) =>
  `${columns}\n${rows.map((row) => row.join()).join("\n")}\n`;
const read = (...parameters: Parameters<typeof readSweep>) => {
  const table = readSweep(...parameters);
  return {
    ...table,
    plain: table.rows.map(({ learningRate, batchSize, loss }) => ({ learningRate, batchSize, loss })),
  };
};
/** Predicts at a batch size. */
const predicted = (text: string, at: number) => fitSweep(readSweep(text).rows, { at: [at] }).predictions[0]!;
const near = (value: number, truth: number, factor: number) =>
  assert.ok(Math.abs(Math.log(value / truth)) < Math.log(factor), `${value} instead of ${truth}`);

describe("the same runs, however they are written", () => {
  test("accuracies are maximised, and it's said", () => {
    const accuracies = runs.map(({ rate, batch, loss }) => [rate, batch, fourDigits(1 - (loss - 2.8) / 2)]);
    const table = read(csv("lr,batch_size,val_acc", accuracies));
    assert.ok(table.metric.maximized);
    assert.deepEqual(
      table.plain.map(({ loss }) => -loss),
      accuracies.map(([, , accuracy]) => accuracy),
    );
    assert.match(table.warnings.join("\n"), /"val_acc" is maximised, as its name says/);
    const { low, high } = fitSweep(table.rows, { at: [1024] }).predictions[0]!;
    assert.ok(low < best(1024) && best(1024) < high);
  });

  test("a batch of one device times accumulation and devices", () => {
    const text = csv(
      "learning_rate,batch_size,gradient_accumulation_steps,world_size,val_loss",
      runs.map(({ rate, batch, loss }) => [rate, batch / 8, 2, 4, loss]),
    );
    assert.deepEqual(read(text).plain, plain(runs));
    assert.match(
      readSweep(text).warnings.join("\n"),
      /the effective batch size is .*--batch|columns\.batchSize/,
    );
  });

  test("devices are found wherever a nested configuration keeps them", () => {
    const nested = runs.map(({ rate, batch, loss }) => ({
      config: { optim: { lr: rate }, data: { batch_size_per_gpu: batch, n_gpus: 8 } },
      summary: { "val/loss": loss },
    }));
    const table = read(JSON.stringify(nested));
    assert.deepEqual(
      table.plain,
      plain(runs).map((run) => ({ ...run, batchSize: 8 * run.batchSize })),
    );
  });

  test("the learning rate is `epsilon`, when it's said so", () => {
    const text = csv(
      "batch_size,epsilon,delta_loss",
      runs.map(({ rate, batch, loss }) => [batch, rate, loss]),
    );
    const table = read(text, { columns: { learningRate: "epsilon" } });
    assert.deepEqual(table.plain, plain(runs));
    assert.equal(table.columns.epsilon, undefined);
  });

  test("a configured rate beside one that was logged, of any name", () => {
    for (const [configured, logged] of [
      ["lr", "learning_rate"],
      ["learning_rate", "lr"],
      ["config.lr", "train/lr"],
    ]) {
      const text = csv(
        `Name,State,${configured},batch_size,${logged},val_loss`,
        runs.map(({ rate, batch, loss }, i) => [
          `r${i}`,
          "finished",
          rate,
          batch,
          fourDigits(rate / 10),
          loss,
        ]),
      );
      assert.deepEqual(read(text).plain, plain(runs), configured);
    }
  });

  test("words for a finished run, of every tracker", () => {
    for (const word of [
      "TERMINATED",
      "finished",
      "FINISHED",
      "COMPLETE",
      "COMPLETED",
      "Succeeded",
      "done",
      "ok",
    ]) {
      const text = csv(
        "lr,batch_size,val_loss,status",
        runs.map(({ rate, batch, loss }) => [rate, batch, loss, word]),
      );
      assert.deepEqual(read(text).plain, plain(runs), word);
    }
  });

  test("rows of a history: the last one counts, with the largest rate of the run", () => {
    const text = csv(
      "run,step,lr,batch_size,val_loss",
      runs.flatMap(({ rate, batch, loss }, i) =>
        [1, 2, 3, 4].map((step) => [
          `run${i}`,
          100 * step,
          fourDigits(rate * (1 - 0.2 * (step - 1))),
          batch,
          fourDigits(loss + 2 / step - 0.5),
        ]),
      ),
    );
    const table = read(text);
    assert.deepEqual(table.plain, plain(runs));
    assert.match(table.warnings.join("\n"), /35 runs have 140 rows, told apart by "run"/);
    assert.equal(table.rows[0]!.steps, 400);
    // Epochs see the same data whatever the batch size: they're no steps, from which budgets would differ.
    const byEpoch = read(text.replace("run,step,", "run,epoch,"));
    assert.deepEqual(byEpoch.plain, plain(runs));
    assert.equal(byEpoch.rows[0]!.steps, undefined);
  });

  test("thousands by commas, and by k", () => {
    const thousands = (value: number) => `"${(1024 * value).toLocaleString("en-US")}"`;
    const text = csv(
      "lr,batch_size (tokens),val_loss",
      runs.map(({ rate, batch, loss }) => [rate, thousands(batch), loss]),
    );
    assert.deepEqual(read(text).plain, plain(runs.map((run) => ({ ...run, batch: 1024 * run.batch }))));
    assert.equal(readSweep(text).batchUnit, "tokens");
    const k = csv(
      "lr,batch_size,val_loss",
      runs.map(({ rate, batch, loss }) => [rate, `${batch}k`, loss]),
    );
    assert.deepEqual(read(k).plain, plain(runs.map((run) => ({ ...run, batch: 1000 * run.batch }))));
  });

  test("logarithms of the rate, by the column's name", () => {
    for (const [name, base] of [
      ["log2_lr", 2],
      ["log10_lr", 10],
      ["lr_log2", 2],
    ] as const) {
      const text = csv(
        `${name},batch_size,val_loss`,
        runs.map(({ rate, batch, loss }) => [Math.log(rate) / Math.log(base), batch, loss]),
      );
      const table = read(text);
      for (const [i, { learningRate }] of table.plain.entries()) near(learningRate, runs[i]!.rate, 1 + 1e-12);
    }
  });
});

describe("what varies besides", () => {
  test("a size whose best rates differ isn't pooled; by it, its exponent comes out", () => {
    const rows = [
      ...madeRuns({ level: 0.6, seed: 2 }).map(({ rate, batch, loss }) => [1e7, rate, batch, loss]),
      ...madeRuns({ scale: 0.25, seed: 3 }).map(({ rate, batch, loss }) => [8e7, rate, batch, loss]),
    ];
    const text = csv("params,lr,batch_size,val_loss", rows);
    assert.throws(
      () => fitSweep(readSweep(text).rows),
      (error) =>
        error instanceof PoolingError &&
        error.effect.name === "params" &&
        Math.round(error.effect.factor!) === 4,
    );
    const table = readSweep(text, { by: ["Params"] });
    assert.deepEqual(table.by, ["params"]);
    const { joint } = fitGroups(table.rows, table.by);
    const { value, low, high } = joint!.exponents[0]!;
    assert.ok(low < -2 / 3 && -2 / 3 < high && Math.abs(value + 2 / 3) < 0.03, `${value}`);
    const one = readSweep(text, { where: ["params=8e7"] });
    const { low: from, high: to } = fitSweep(one.rows, { at: [1024] }).predictions[0]!;
    assert.ok(from < best(1024) / 4 && best(1024) / 4 < to, `${from} to ${to}`);
  });

  test("widths with the same optima and rounded losses: no row is a duplicate of another width's", () => {
    const rows = [128, 256, 512].flatMap((width) =>
      madeRuns().map(({ rate, batch, loss }) => [width, rate, batch, loss.toFixed(2)]),
    );
    const text = csv("width,lr,batch_size,val_loss", rows);
    assert.equal(readSweep(text).rows.length, rows.length);
    assert.equal(readSweep(`${text}${rows[0]!.join()}\n`).rows.length, rows.length);
    assert.match(fitSweep(readSweep(text).rows).warnings.join("\n"), /`width` varies too \(3 values/);
  });

  test("horizons whose best rates differ aren't pooled; steps at which runs ended are no horizons", () => {
    const of = (steps: (batch: number, i: number) => number, scale: number) =>
      madeRuns({ scale, seed: 4 }).map(({ rate, batch, loss }, i) => [steps(batch, i), rate, batch, loss]);
    const table = (rows: (string | number)[][]) => readSweep(csv("max_iters,lr,batch_size,val_loss", rows));
    assert.throws(
      () => fitSweep(table([...of(() => 1000, 1), ...of(() => 8000, 0.35)]).runs),
      (error) => error instanceof PoolingError && error.effect.name === "steps" && error.effect.values === 2,
    );
    // One budget of data, and runs that stopped where they liked.
    for (const steps of [(batch: number) => 1e6 / batch, (_: number, i: number) => 900 + i])
      assert.deepEqual(fitSweep(table(of(steps, 1)).runs).covariates, []);
  });

  test("groups are found by the usual names of what they are", () => {
    const text = csv(
      "model.d_model,hp.n_layer,lr,batch_size,val_loss",
      [128, 256].flatMap((width) => madeRuns().map(({ rate, batch, loss }) => [width, 4, rate, batch, loss])),
    );
    const by = (...names: string[]) => readSweep(text, { by: names }).by;
    assert.deepEqual(by("width", "depth"), ["model.d_model", "hp.n_layer"]);
    assert.deepEqual(by("d_model", "n_layer"), ["model.d_model", "hp.n_layer"]);
    assert.throws(() => by("params"), /no such column; found "model.d_model"/);
  });

  test("a column that serves a field groups as well, when it's asked for", () => {
    const rows = [1e9, 4e9].flatMap((tokens) =>
      madeRuns({ scale: (1e9 / tokens) ** 0.5, seed: tokens / 1e9 }).map(({ rate, batch, loss }) => [
        tokens,
        rate,
        batch,
        loss,
      ]),
    );
    const table = readSweep(csv("tokens,lr,batch_size,val_loss", rows), { by: ["tokens"] });
    const { joint, by } = fitGroups(table.rows, table.by);
    assert.deepEqual(by, ["tokens"]);
    assert.ok(Math.abs(joint!.exponents[0]!.value + 0.5) < 0.05);
  });
});

describe("runs that went wrong", () => {
  test("crashes without a loss bound the optimum, and nothing is proposed where they were", () => {
    const rows = madeRuns({ at: [8, 16, 32], steps: 3 })
      .filter(({ rate, batch }) => rate < 1.5 * best(batch))
      .flatMap(({ rate, batch, loss }) => [
        [rate, batch, loss, "finished"],
        ...(rate > 0.9 * best(batch) ? [[2 * rate, batch, "", "crashed"]] : []),
      ]);
    const fit = fitSweep(readSweep(csv("lr,batch_size,val_loss,state", rows)).rows);
    for (const { value, wall, batchSize } of fit.optima) {
      near(wall!, 2 * best(batchSize), 1.01);
      assert.ok(value < wall!);
      near(value, best(batchSize), 2);
    }
    for (const { batchSize, learningRates } of fit.nextRuns) {
      const known = fit.optima.find((optimum) => optimum.batchSize === batchSize);
      if (known !== undefined) assert.ok(learningRates.every((rate) => rate < known.wall!));
    }
  });

  test("marks of divergence, whatever the word, give the same optima", () => {
    const text = (mark: string) =>
      csv(
        "lr,batch_size,val_loss",
        runs.map(({ rate, batch, loss }) => [rate, batch, rate > 4.5 * best(batch) ? mark : loss]),
      );
    const reference = fitSweep(readSweep(text("nan")).rows).optima;
    for (const mark of ["NaN", "inf", ".inf", ".nan", "diverged", "1.797e308", "3.4028235e38", "None", ""]) {
      const fit = fitSweep(readSweep(text(mark)).rows);
      fit.optima.forEach(({ value, wall, diverged }, i) => {
        near(value, reference[i]!.value, 1 + 1e-9);
        assert.equal(wall, reference[i]!.wall, mark);
        assert.equal(diverged, 1, mark);
      });
    }
  });

  test("a common ceiling of the losses isn't fitted", () => {
    const rule = (batch: number) => 0.3 / (1 + 128 / batch);
    const list = madeRuns({ rule, at: [8, 32, 128, 512] });
    const text = csv(
      "val_loss,lr,batch_size",
      list.map(({ rate, batch, loss }) => [rate > 1.5 * rule(batch) ? 10.8 : loss, rate, batch]),
    );
    const fit = fitSweep(readSweep(text).rows, { at: [64] });
    for (const { value, batchSize, saturated } of fit.optima) {
      near(value, rule(batchSize), 1.5);
      assert.equal(saturated, 3);
    }
    near(fit.predictions[0]!.value, rule(64), 1.25);
  });
});

describe("one batch size", () => {
  const one = madeRuns({ at: [64], steps: 4 });

  test("of a table that doesn't tell it: asked for, and given as a number", () => {
    const text = csv(
      "lr,val_loss",
      one.map(({ rate, loss }) => [rate, loss]),
    );
    assert.throws(
      () => readSweep(text),
      (error) =>
        error instanceof DataError &&
        /no column for batch size; .*if all runs had the same batch size: columns\.batchSize = "32"/.test(
          error.message,
        ),
    );
    assert.deepEqual(read(text, { columns: { batchSize: "64" } }).plain, plain(one));
    assert.equal(readSweep(text, { columns: { batchSize: "16k" } }).rows[0]!.batchSize, 16_000);
  });

  test("the best rate has an interval that holds the truth, and an edge is said", () => {
    const { predictions } = fitSweep(plain(one));
    const { value, low, high } = predictions[0]!;
    near(value, best(64), 1.25);
    assert.ok(low < best(64) && best(64) < high);
    const edge = fitSweep(plain(one.filter(({ rate }) => rate < 0.6 * best(64))));
    assert.equal(edge.optima[0]!.kind, "above");
    assert.deepEqual(edge.predictions, []);
    assert.ok(edge.nextRuns[0]!.learningRates.every((rate) => rate > 0.5 * best(64)));
  });
});

test("more runs of one batch size than a function takes arguments", () => {
  const many = Array.from({ length: 20_000 }, (_, seed) => seed).flatMap((seed) =>
    madeRuns({ at: [64], seed: 1 }).map((run) => ({ ...run, seed, steps: 100 })),
  );
  const text = csv(
    "lr,batch_size,val_loss,seed,steps",
    many.map(({ rate, batch, loss, seed, steps }) => [rate, batch, loss, seed, steps]),
  );
  const { rows } = readSweep(text);
  assert.equal(rows.length, 140_000);
  near(fitSweep(rows).optima[0]!.value, best(64), 1.25);
});

describe("beyond the sweep", () => {
  test("fixed tokens: the best batch size comes from the losses", () => {
    const draw = normalSampler(7);
    const rule = (batch: number) => 0.004 / (1 + 40 / batch);
    const rows = [16, 32, 64, 128, 256, 512].flatMap((batch) =>
      Array.from({ length: 7 }, (_, i) => {
        const rate = fourDigits(rule(batch) * 2 ** (i - 3));
        return [
          rate,
          batch,
          fourDigits(
            3 + 0.01 * Math.log2(batch / 128) ** 2 + rise(Math.log(rate / rule(batch))) + 0.002 * draw(),
          ),
        ];
      }),
    );
    const { bestBatchSize } = fitSweep(readSweep(csv("lr,batch_size,val_loss", rows)).rows);
    assert.equal(bestBatchSize!.kind, "interior");
    assert.ok(bestBatchSize!.low <= 128 && 128 <= bestBatchSize!.high, JSON.stringify(bestBatchSize));
  });

  test("a rule that is cut where the sweep ends lies inside the interval", () => {
    const rule = (batch: number) => 0.004 * Math.min(1, (batch / 512) ** 0.75);
    const list = madeRuns({ rule, at: [32, 64, 128, 256, 512], steps: 4 });
    const text = csv(
      "lr,batch_size,val_loss",
      list.map(({ rate, batch, loss }) => [rate, batch, loss]),
    );
    const { low, high } = predicted(text, 2048);
    assert.ok(low <= 1.02 * 0.004 && 0.004 < high, `${low} to ${high}`);
  });
});
