// Leaves batch sizes out of tables of runs, and compares what the fit says of them with two baselines: the learning rate measured at the
// nearest batch size kept, and that times the root of the ratio of batch sizes. Without a table: the eight sweeps of experiments/batch-size
// and simulated ones.
//
// With --by also the joint law's exponents, and what it misses of each group from the others alone, beside a published formula.
//
// npm run bench -- --part fit [runs.csv --by N,D --lr lr --batch bs --loss loss --published "1.79*N^-0.713*D^0.307"]
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { joinGroups } from "../../src/scaling/groups/fitGroups.ts";
import {
  fitSweep,
  type GroupFit,
  type GroupsFit,
  readSweep,
  type SweepRow,
} from "../../src/scaling/index.ts";
import { parseExpression } from "../../src/scaling/reading/expression.ts";
import { ListColumn } from "../../src/scaling/reading/table.ts";
import { figure } from "../figures.ts";
import {
  type Case,
  casesOf,
  committedSweeps,
  holds,
  kinds,
  parabolaOptimum,
  simulatedCases,
  type Target,
  trueSquare,
} from "./cases.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    by: { type: "string", default: "" },
    lr: { type: "string" },
    batch: { type: "string" },
    loss: { type: "string" },
    published: { type: "string" },
  },
});

/** An answer at a target, in logarithms. */
interface Answer {
  readonly error: number;
  readonly low: number;
  readonly high: number;
}
interface Scored extends Answer {
  readonly study: string;
  readonly target: Target;
  readonly joint: Answer | null;
}

const rms = (list: readonly number[]) => Math.sqrt(list.reduce((sum, x) => sum + x * x, 0) / list.length);
const answer = (target: Target, estimate: { value: number; low: number; high: number }): Answer => ({
  error: Math.log(estimate.value) - target.x,
  low: Math.log(estimate.low) - target.x,
  high: Math.log(estimate.high) - target.x,
});

function scoreCase({ study, key, kept, targets }: Case, joint: GroupsFit | null): Scored[] {
  const { predictions } = fitSweep(kept, { at: targets.map(({ batchSize }) => batchSize) });
  return targets.flatMap((target) => {
    const found = predictions.find(({ batchSize }) => batchSize === target.batchSize);
    if (found === undefined) return [];
    const together = joint?.predict({ key: JSON.parse(key), batchSize: target.batchSize }) ?? null;
    return [
      {
        study,
        target,
        ...answer(target, found),
        joint: together === null ? null : answer(target, together),
      },
    ];
  });
}

/** Share of intervals that hold the measured optimum, its own error allowed for as `score.py` does: on top of the interval. */
const held = (list: readonly { answer: Answer; target: Target }[]) =>
  list.filter(
    ({ answer: { low, high }, target: { error } }) => low - 1.645 * error <= 0 && 0 <= high + 1.645 * error,
  ).length / list.length;

/** The measured optima's own error: of seeds drawn anew, else of the parabola. */
const ownError = ({ seedError, error }: Target) => seedError ?? error;

/** The error without that of the measured optima; 0 where it can't be told from none. */
const trueError = (list: readonly { answer: number; target: Target }[]) =>
  Math.sqrt(
    Math.max(
      0,
      list.reduce((sum, { answer: one, target }) => sum + trueSquare(target, one), 0) / list.length,
    ),
  );

function print(scored: readonly Scored[]): void {
  const joint = scored.some((one) => one.joint !== null);
  const header = [
    "left out",
    "number",
    "fit",
    "keep",
    "√B",
    "ratio",
    "held",
    "held, with own error",
    "own error",
  ];
  header.push("true fit", "true keep", "true √B", "ratio", "point held");
  if (joint) header.push("joint", "ratio", "held", "held, with own error", "true joint", "ratio");
  for (const study of new Set(scored.map((one) => one.study))) {
    console.log(`\n${study}\n\n| ${header.join(" | ")} |\n|${header.map(() => "---").join("|")}|`);
    kinds.forEach((name, kind) => {
      const some = scored.filter((one) => one.study === study && one.target.kind === kind);
      if (some.length === 0) return;
      const targets = some.map(({ target }) => target);
      const [keep, root] = [
        rms(targets.map((target) => target.keep)),
        rms(targets.map((target) => target.root)),
      ];
      const better = Math.min(keep, root);
      const fit = rms(some.map(({ error }) => error));
      figure(`${study}, ${name}, error of log η*`, fit);
      const percent = (share: number) => `${Math.round(100 * share)} %`;
      const [trueFit, trueKeep, trueRoot] = [
        trueError(some.map(({ error, target }) => ({ answer: target.x + error, target }))),
        trueError(targets.map((target) => ({ answer: target.x + target.keep, target }))),
        trueError(targets.map((target) => ({ answer: target.x + target.root, target }))),
      ] as [number, number, number];
      const trueBetter = Math.min(trueKeep, trueRoot);
      const within = (list: readonly { answer: Answer; target: Target }[]) =>
        percent(
          list.filter(({ target, answer: { error: middle, low, high } }) =>
            holds({ low, middle, high }, 0, ownError(target)),
          ).length / list.length,
        );
      const cells = [
        name,
        some.length,
        fit.toFixed(3),
        keep.toFixed(3),
        root.toFixed(3),
        (fit / better).toFixed(2),
        percent(held(some.map((one) => ({ answer: one, target: one.target })))),
        within(some.map((one) => ({ answer: one, target: one.target }))),
        rms(targets.map(ownError)).toFixed(3),
        trueFit.toFixed(3),
        trueKeep.toFixed(3),
        trueRoot.toFixed(3),
        (trueFit / trueBetter).toFixed(2),
        percent(
          held(
            some.map((one) => ({
              answer: { error: one.error, low: one.error, high: one.error },
              target: one.target,
            })),
          ),
        ),
      ];
      if (joint) {
        const together = some.flatMap((one) =>
          one.joint === null ? [] : [{ answer: one.joint, target: one.target }],
        );
        const error = rms(together.map((one) => one.answer.error));
        const trueJoint = trueError(
          together.map((one) => ({ answer: one.target.x + one.answer.error, target: one.target })),
        );
        cells.push(error.toFixed(3), (error / better).toFixed(2), percent(held(together)), within(together));
        cells.push(trueJoint.toFixed(3), (trueJoint / trueBetter).toFixed(2));
      }
      console.log(`| ${cells.join(" | ")} |`);
    });
  }
}

/** The joint law's exponents, and what it misses of each group when it knows the others alone. */
function printJoint(known: readonly GroupFit[], by: readonly string[]): void {
  const { joint } = joinGroups(known, by);
  if (joint === null || joint.exponents.length === 0) return;
  const short = ({ name, value, low, high }: { name: string; value: number; low: number; high: number }) =>
    `${name} ${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
  console.log(`\nexponents of the learning rate: ${joint.exponents.map(short).join(", ")}`);
  if (joint.bestBatchExponents !== null)
    console.log(`of the best batch size: ${joint.bestBatchExponents.map(short).join(", ")}`);
  const formula =
    values.published === undefined
      ? null
      : parseExpression(
          values.published,
          by.map((name) => new ListColumn(name, [])),
        );
  const [everywhere, best, published, inside]: [number[], number[], number[], boolean[]] = [[], [], [], []];
  known.forEach(({ key, rows, fit }, i) => {
    const others = joinGroups(known.toSpliced(i, 1), by);
    const lowest = fit.optima.reduce((a, b) => (b.loss < a.loss ? b : a)).batchSize;
    for (const [batchSize, members] of Map.groupBy(rows, (row) => row.batchSize)) {
      const measured = parabolaOptimum(members);
      const predicted = others.predict({ key, batchSize });
      if (measured === null || predicted === null) continue;
      const miss = Math.log(predicted.value) - measured.x;
      everywhere.push(miss);
      inside.push(
        holds(
          { low: Math.log(predicted.low), middle: Math.log(predicted.value), high: Math.log(predicted.high) },
          measured.x,
          measured.error,
        ),
      );
      if (batchSize !== lowest) continue;
      best.push(miss);
      if (formula !== null)
        published.push(
          Math.log(formula.evaluate(Float64Array.from(formula.columns, ({ name }) => Number(key[name])))) -
            measured.x,
        );
    }
  });
  console.log(
    `each group from the others: off by ${rms(everywhere).toFixed(3)} over ${everywhere.length} batch sizes (${Math.round((100 * inside.filter(Boolean).length) / inside.length)} % held), by ${rms(best).toFixed(3)} at the ${best.length} of the lowest loss${published.length === 0 ? "" : `, where ${values.published} is off by ${rms(published).toFixed(3)}`}`,
  );
}

/** Rows of a table with nothing but learning rate, batch size and loss, as a table of one sweep has. */
const plain = ({ learningRate, batchSize, loss, status, standardError }: SweepRow): SweepRow => ({
  learningRate,
  batchSize,
  loss,
  ...(status !== undefined && { status }),
  ...(standardError !== undefined && { standardError }),
});

const [file] = positionals;
if (file === undefined) {
  print([
    ...casesOf(committedSweeps()).flatMap((one) => scoreCase(one, null)),
    ...simulatedCases(20).flatMap((one) => scoreCase(one, null)),
  ]);
} else {
  const { rows } = readSweep(readFileSync(file, "utf8"), {
    columns: {
      ...(values.lr !== undefined && { learningRate: values.lr }),
      ...(values.batch !== undefined && { batchSize: values.batch }),
      ...(values.loss !== undefined && { loss: values.loss }),
    },
  });
  const by = values.by.split(",").filter((name) => name !== "");
  const keyOf = (row: SweepRow) =>
    Object.fromEntries(by.map((name) => [name, row.covariates?.[name] ?? row[name as "tokens"] ?? ""]));
  const groups = [...Map.groupBy(rows, (row) => JSON.stringify(keyOf(row)))].map(([key, members]) => ({
    key,
    rows: members.map(plain),
  }));
  const fitted = (key: string, members: readonly SweepRow[]): GroupFit => ({
    key: JSON.parse(key),
    rows: members,
    fit: fitSweep(members, { at: [] }),
  });
  const known = groups.map(({ key, rows: members }) => fitted(key, members));
  if (groups.length > 2) printJoint(known, by);
  print(
    casesOf({ name: path.basename(file), groups }).flatMap((one) => {
      const index = groups.findIndex(({ key }) => key === one.key);
      const joint = groups.length < 2 ? null : joinGroups(known.with(index, fitted(one.key, one.kept)), by);
      return scoreCase(one, joint);
    }),
  );
}
