import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ConfigError, DataError } from "../../errors.ts";
import { fitSweep, readSweep } from "../index.ts";
import { mlflowExport, optunaExport, tensorboardExport, wandbExport } from "../testing/exports.ts";
import { plantedSweep } from "../testing/plantedSweep.ts";

const sgd = (batchSize: number) => 0.3 / (1 + 128 / batchSize);
const rows = plantedSweep(sgd, { batchSizes: [8, 32, 128, 512], noise: 0.005, seed: 2 });
const plain = (table: ReturnType<typeof readSweep>) =>
  table.rows.map(({ learningRate, batchSize, loss }) => ({ learningRate, batchSize, loss }));

describe("exports of other tools", () => {
  test("W&B", () => {
    const table = readSweep(wandbExport(rows));
    assert.deepEqual(table.columns, {
      learningRate: "optimizer.lr",
      batchSize: "batch_size",
      loss: "val/loss",
      steps: "_step",
      seed: "seed",
    });
    assert.deepEqual(plain(table), rows);
    assert.deepEqual(table.warnings, [
      `runs that didn't finish were left out (column "State": running 1)`,
      'runs that diverged, by what stands in place of their loss: "NaN" 4',
    ]);
    assert.deepEqual(table.covariates, []);
    assert.equal(table.rows[0]!.steps, 1999);
  });

  test("MLflow", () => {
    const table = readSweep(mlflowExport(rows));
    assert.equal(table.columns.learningRate, "params.learning_rate");
    assert.equal(table.columns.loss, "metrics.val_loss");
    assert.deepEqual(plain(table), rows);
    assert.match(
      table.warnings.join(),
      /runs without a final loss \(nothing \d+\): nothing says that they diverged/,
    );
    assert.ok(table.rows.every(({ loss, status }) => Number.isFinite(loss) || status === "missing"));
  });

  test("TensorBoard, with names that have to be given", () => {
    assert.throws(
      () => readSweep(tensorboardExport(rows)),
      /no column for batch size; found "Trial ID", "lr", "bsize", "Metrics\.loss\/validation"; name it with columns\.batchSize/,
    );
    const table = readSweep(tensorboardExport(rows), {
      columns: { batchSize: "bsize" },
    });
    assert.deepEqual(plain(table), rows);
    assert.throws(() => readSweep("Wall time,Step,Value\n1,2,3\n"), /one curve of TensorBoard/);
  });

  test("Optuna", () => {
    assert.throws(
      () => readSweep(optunaExport(rows)),
      /column "value" doesn't say whether smaller or larger is better: direction = "minimize" or direction = "maximize"/,
    );
    const table = readSweep(optunaExport(rows), { direction: "minimize" });
    assert.deepEqual(table.columns, {
      learningRate: "params_lr",
      batchSize: "params_batch_size",
      loss: "value",
      epsilon: "params_eps",
      seed: "user_attrs_seed",
    });
    assert.deepEqual(plain(table), rows);
    assert.equal(table.rows[0]!.epsilon, 1e-8);
    assert.equal(table.warnings.length, 2);
    const negated = readSweep(optunaExport(rows), { direction: "maximize" });
    assert.deepEqual(
      negated.rows.map(({ loss }) => loss),
      rows.map(({ loss }) => -loss),
    );
  });

  test("each gives the same answer", () => {
    const ended = rows.map((row) =>
      Number.isFinite(row.loss) ? row : { ...row, status: "missing" as const },
    );
    const reference = fitSweep(ended, { at: [64] }).predictions[0]!.value;
    for (const text of [mlflowExport(rows), optunaExport(rows)]) {
      const { value } = fitSweep(readSweep(text, { direction: "minimize" }).rows, { at: [64] })
        .predictions[0]!;
      assert.ok(Math.abs(value / reference - 1) < 1e-9);
    }
  });
});

describe("columns", () => {
  const header = (names: string) => readSweep(`${names}\n0.1,8,3,1,0.5\n`).columns;
  test("preferences: validation loss, global batch size, unprefixed names", () => {
    assert.equal(header("lr,batch_size,train_loss,eval_loss,x").loss, "eval_loss");
    assert.equal(
      header("lr,per_device_train_batch_size,loss,global_batch_size,x").batchSize,
      "global_batch_size",
    );
    // What stands in the configuration was configured, whatever else was logged.
    assert.equal(header("lr,batch_size,loss,config.lr,x").learningRate, "config.lr");
    assert.equal(header("learningRate,batchSize,valLoss,weightDecay,adamEpsilon").weightDecay, "weightDecay");
    // The schedule's last value, as Trainer logs it, isn't the learning rate of the run.
    assert.equal(
      header("args/learning_rate,bs,loss,train/learning_rate,x").learningRate,
      "args/learning_rate",
    );
  });

  test("runs that all diverged are no table of optima", () => {
    for (const mark of ["NaN", "", "oom"])
      assert.throws(
        () => readSweep(`lr,batch_size,loss\n0.1,8,${mark}\n0.2,16,${mark}\n`),
        /no column for loss; "loss" holds no number; found "lr", "batch_size", "loss"/,
      );
  });

  test("two columns that fit equally well have to be chosen from", () => {
    const text = "config.lr,params.lr,batch_size,loss\n0.1,0.2,8,3\n";
    assert.throws(
      () => readSweep(text),
      /"config\.lr" and "params\.lr" may both be the learning rate: choose one with columns\.learningRate/,
    );
    assert.equal(readSweep(text, { columns: { learningRate: "params.lr" } }).rows[0]!.learningRate, 0.2);
  });

  test("a batch size of one device is used with a warning", () => {
    assert.match(readSweep("lr,per_device_train_batch_size,loss\n0.1,8,3\n").warnings[0]!, /one device/);
  });

  test("rows can be filtered, numbers as numbers", () => {
    const text = "lr,bs,loss,wd,opt\n0.1,8,3,0.10,adam\n0.2,8,3,0.1,sgd\n0.3,8,3,0,adam\n";
    const rates = (...where: string[]) =>
      readSweep(text, { where }).rows.map(({ learningRate }) => learningRate);
    assert.deepEqual(rates("wd=0.1"), [0.1, 0.2]);
    assert.deepEqual(rates("wd=0.1", "opt=adam"), [0.1]);
    assert.deepEqual(rates("WD!=0.1"), [0.3]);
    assert.deepEqual(rates("opt!=adam"), [0.2]);
    assert.deepEqual(rates("lr=0.1,0.3"), [0.1, 0.3]);
    assert.deepEqual(rates("lr=0.15..0.3"), [0.2, 0.3]);
    assert.deepEqual(rates("lr=..0.2"), [0.1, 0.2]);
    assert.deepEqual(rates("lr>0.1", "lr<=0.2"), [0.2]);
    assert.throws(() => rates("wd=7"), /no row meets wd=7/);
    assert.throws(() => rates("decay=7"), /where = \["decay=7"\]: no column "decay"; found "lr"/);
    assert.throws(() => rates("lr>many"), /"many": expected a number/);
    assert.throws(() => rates("lr"), ConfigError);
    assert.deepEqual(readSweep(text, { where: ["opt=adam"] }).where, ["opt=adam"]);
  });
});

describe("cells", () => {
  test("separators, quotes, byte order marks, empty lines and line ends of all kinds", () => {
    const expected = [{ learningRate: 0.001, batchSize: 8, loss: 3.5 }];
    for (const text of [
      "lr,bs,loss\n1e-3,8,3.5\n",
      "lr;bs;loss\r\n.001;8;3.5\r\n\r\n",
      "lr\tbs\tloss\n0.001\t8.0\t+3.5",
      '\uFEFF"lr","bs","loss"\n"0.001","8","3.5"\n',
      " lr , bs , loss \n 0.001 , 8 , 3.5 \n\n",
    ]) {
      assert.deepEqual(readSweep(text).rows, expected, JSON.stringify(text));
    }
  });

  test("a loss that isn't finite is a run that diverged, even if it crashed", () => {
    const text =
      "lr,bs,loss,state\n0.1,8,NaN,crashed\n0.2,8,inf,finished\n0.3,8,-Infinity,failed\n0.4,8,3,finished\n";
    assert.deepEqual(
      readSweep(text).rows.map(({ loss }) => loss),
      [Number.NaN, Number.NaN, Number.NaN, 3],
    );
  });

  const bad: [what: string, text: string, message: RegExp][] = [
    ["empty file", " \n", /the file is empty/],
    ["header only", "lr,bs,loss\n", /a header and no rows; columns: "lr", "bs", "loss"/],
    ["not text", "lr\0bs", /isn't text/],
    ["a word", "lr,bs,loss\n0.1,8,3\nfast,8,3\n", /row 3, column "lr": "fast": expected a positive number/],
    [
      "negative learning rate",
      "lr,bs,loss\n-0.1,8,3\n",
      /row 2, column "lr": "-0\.1": expected a positive number/,
    ],
    ["batch size of zero", "lr,bs,loss\n0.1,0,3\n", /row 2, column "bs": "0": expected a positive number/],
    [
      "loss that is a word",
      "lr,bs,loss\n0.2,8,3\n0.1,8,low\n",
      /row 3, column "loss": "low": expected a number, or nan/,
    ],
    ["negative epsilon", "lr,bs,loss,eps\n0.1,8,3,-1\n", /row 2, column "eps": "-1": expected a number ≥ 0/],
    ["ragged row", "lr,bs,loss\n0.1,8,3\n0.1,8\n", /row 3 has 2 fields, the header has 3/],
    ["open quotation mark", 'lr,bs,loss\n"0.1,8,3\n', /a quotation mark isn't closed/],
    [
      "nothing usable",
      "lr,bs,loss\n0.1,,3\n,8,3\n",
      /no row can be used: 2 rows without a learning rate or batch size/,
    ],
    [
      "no learning rate",
      "bs,loss\n8,3\n",
      /no column for learning rate; found "bs", "loss"; name it with columns\.learningRate/,
    ],
  ];
  for (const [what, text, message] of bad) {
    test(`${what}: an error`, () => {
      assert.throws(
        () => readSweep(text),
        (error) => error instanceof DataError && message.test(error.message) && !error.message.includes("\n"),
      );
    });
  }

  test("a column that doesn't exist: an error that lists those that do", () => {
    assert.throws(
      () => readSweep("lr,bs,loss\n0.1,8,3\n", { columns: { loss: "accuracy" } }),
      (error) =>
        error instanceof ConfigError &&
        /columns\.loss "accuracy": no such column; found "lr", "bs"/.test(error.message),
    );
  });

  test("what was written is read back, whatever the numbers", () => {
    const number = fc.double({ min: 1e-12, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number, fc.double()), { minLength: 1 }), (values) => {
        const text = `lr,bs,loss,seed\n${values.map((row, i) => [...row, i].join(",")).join("\n")}\n`;
        const expected = values.map(([learningRate, batchSize, loss], i) => ({
          learningRate,
          batchSize,
          // Beyond the largest float32 a loss is an overflow.
          loss: Math.abs(loss) < 1e38 ? Number(String(loss)) : Number.NaN,
          seed: String(i),
        }));
        assert.deepEqual(readSweep(text).rows, expected);
      }),
    );
  });

  test("any text is read or refused with our own error", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        try {
          readSweep(text);
        } catch (error) {
          assert.ok(error instanceof DataError, String(error));
        }
      }),
    );
  });
});
