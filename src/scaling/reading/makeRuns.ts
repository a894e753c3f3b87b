import {
  optionalNumbers,
  type RunNumbers,
  type RunValues,
  runStatuses,
  type SweepRuns,
} from "../sweepRuns.ts";
import { failCell, isNothing } from "./cellError.ts";
import { lossKinds } from "./cells.ts";
import type { Fates } from "./fates.ts";
import { fields, type SweepField } from "./fields.ts";
import { valuesOf } from "./fieldValues.ts";
import type { FieldSource } from "./findFields.ts";
import type { SayMend } from "./mend.ts";
import type { DecimalSign } from "./quantity.ts";
import type { RunList } from "./runList.ts";
import type { Statuses } from "./statuses.ts";
import type { CovariatesOf } from "./sweepCovariates.ts";
import type { Column, Table } from "./table.ts";

/** Everything that runs of a sweep are made of. */
export interface RunParts {
  readonly table: Table;
  readonly runs: RunList;
  readonly duplicates: ReadonlySet<number>;
  readonly statuses: Statuses | null;
  readonly found: ReadonlyMap<SweepField, FieldSource>;
  /** Of an update, by row of the table. */
  readonly batches: Float64Array;
  readonly maximized: boolean;
  /** Standard error of the loss, where it comes from seeds; null otherwise. */
  readonly spread: ((row: number) => number) | null;
  readonly covariates: CovariatesOf | null;
  readonly sign: DecimalSign;
  readonly say: SayMend;
  readonly fates: Fates;
}

const [number, diverged, , none, unreadable] = lossKinds.map((_, place) => place) as [
  number,
  number,
  number,
  number,
  number,
];

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** How often each word was met. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(word: string): void {
    this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
  }

  get words(): string[] {
    return [...this.#counts.keys()];
  }

  toString(): string {
    return [...this.#counts].map(([word, count]) => `${word} ${count}`).join(", ");
  }
}

type NumberField = "learningRate" | "batchSize" | "loss" | (typeof optionalNumbers)[number];

/** Collects runs field by field. Where all rows of the table are runs, its own numbers are those of the runs, and nothing is copied. */
class RunsBuilder {
  readonly #most: number;
  readonly #sources: Partial<Readonly<Record<NumberField, Float64Array>>>;
  readonly #numbers = new Map<NumberField, Float64Array>();
  #status: Uint8Array | null = null;
  #length = 0;

  constructor(most: number, sources: Partial<Readonly<Record<NumberField, Float64Array>>>) {
    this.#most = most;
    this.#sources = sources;
  }

  get length(): number {
    return this.#length;
  }

  /** Begins another run, of which every field with a source has to be set. */
  next(): void {
    this.#length++;
  }

  set(field: NumberField, value: number): void {
    const at = this.#length - 1;
    let numbers = this.#numbers.get(field);
    if (numbers === undefined) {
      const source = this.#sources[field];
      if (source === undefined ? Number.isNaN(value) : Object.is(source[at], value)) return;
      numbers = new Float64Array(this.#most).fill(Number.NaN);
      if (source !== undefined) numbers.set(source.subarray(0, at));
      this.#numbers.set(field, numbers);
    }
    numbers[at] = value;
  }

  missing(): void {
    this.#status ??= new Uint8Array(this.#most);
    this.#status[this.#length - 1] = runStatuses.indexOf("missing");
  }

  build(seed: SweepRuns["seed"], covariates: SweepRuns["covariates"]): SweepRuns {
    const length = this.#length;
    const always = (field: NumberField) =>
      (this.#numbers.get(field) ?? this.#sources[field] ?? new Float64Array(0)).subarray(0, length);
    const of = (field: NumberField): RunNumbers => {
      const numbers = always(field);
      return numbers.some((value) => !Number.isNaN(value)) ? numbers : null;
    };
    return {
      length,
      learningRate: always("learningRate"),
      batchSize: always("batchSize"),
      loss: always("loss"),
      status: this.#status?.subarray(0, length) ?? null,
      standardError: of("standardError"),
      epsilon: of("epsilon"),
      steps: of("steps"),
      tokens: of("tokens"),
      weightDecay: of("weightDecay"),
      seed,
      covariates,
    };
  }
}

/** Texts of a column by run; empty cells are none. */
function seedsOf(column: Column | undefined, rows: Int32Array): RunValues<string> | null {
  if (column === undefined) return null;
  const { codes, count, text } = column.coded();
  const values = Array.from({ length: count }, (_, code) => text(code));
  const empty = values.indexOf("");
  if (empty >= 0 && count === 1) return null;
  return { places: rows.map((row) => (codes[row] === empty ? -1 : codes[row]!)), values };
}

/**
 * The runs of a sweep: what became of each, and its fields. Notes say what was left out and what was taken for what.
 *
 * @throws DataError for a cell that can't be used
 */
export function makeRuns(parts: RunParts, notes: string[]): SweepRuns {
  const { table, runs, duplicates, statuses, found, batches, maximized, sign, say, fates } = parts;
  const [rateSource, batchSource, lossSource] = [
    found.get("learningRate")!,
    found.get("batchSize")!,
    found.get("loss")!,
  ];
  const fail = (row: number, field: SweepField, source: FieldSource): never =>
    failCell(table, row, field, source, sign, say);
  const isEmpty = (source: FieldSource, row: number) =>
    source.columns.some((column) => isNothing(column.text(row)));
  /** Reads a field that rows may lack: undefined where they do. */
  const optional = (field: "epsilon" | "steps" | "tokens" | "weightDecay" | "standardError") => {
    const source = found.get(field);
    if (source === undefined) return null;
    const values = valuesOf(source, sign);
    const { check } = fields[field];
    return (row: number, said = Number.NaN): number | undefined => {
      const value = Number.isNaN(said) ? values[row]! : said;
      if (Number.isNaN(value)) return isEmpty(source, row) ? undefined : fail(row, field, source);
      // One seed has no spread.
      if (field === "standardError" && value === 0) return undefined;
      return check(value) ? value : fail(row, field, source);
    };
  };
  const [epsilons, steps, tokens, decays, errors] = [
    optional("epsilon"),
    optional("steps"),
    optional("tokens"),
    optional("weightDecay"),
    optional("standardError"),
  ];
  const { spread } = parts;
  const counts = { empty: 0, duplicate: 0 };
  const [marks, missing, left] = [new Counts(), new Counts(), new Counts()];
  const own = optionalNumbers.flatMap((field) => {
    const source = found.get(field);
    return source === undefined ? [] : [[field, valuesOf(source, sign)] as const];
  });
  const made = new RunsBuilder(runs.rows.length, {
    learningRate: runs.learningRates,
    batchSize: batches,
    loss: runs.losses,
    ...Object.fromEntries(own),
  });
  const rows = new Int32Array(runs.rows.length);
  for (let run = 0; run < runs.rows.length; run++) {
    const row = runs.rows[run]!;
    if (duplicates.has(row)) {
      counts.duplicate++;
      fates.mark(row, "duplicate of another row");
      continue;
    }
    const [kind, rate, batchSize] = [runs.kind(run), runs.learningRate(run), batches[row]!];
    const absent =
      Number.isNaN(rate) && isEmpty(rateSource, row)
        ? "learningRate"
        : Number.isNaN(batchSize) && isEmpty(batchSource, row)
          ? "batchSize"
          : null;
    if (absent !== null) {
      counts.empty++;
      fates.mark(row, `left out: without a ${fields[absent].spoken}`);
      continue;
    }
    const status = statuses === null ? null : statuses.of(row);
    if (status !== null && status.outcome === "stopped" && kind !== diverged) {
      left.add(status.word);
      fates.mark(row, `left out: ${status.word}`);
      continue;
    }
    if (status !== null && status.outcome === null) {
      left.add(status.word);
      fates.mark(row, `left out: the status ${JSON.stringify(status.word)} isn't known`);
      continue;
    }
    if (!fields.learningRate.check(rate)) fail(row, "learningRate", rateSource);
    if (!fields.batchSize.check(batchSize)) fail(row, "batchSize", batchSource);
    if (kind === unreadable) fail(row, "loss", lossSource);
    let outcome: "finished" | "diverged" | "missing";
    if (kind === number)
      outcome =
        status?.outcome === "diverged" ? "diverged" : status?.outcome === "failed" ? "missing" : "finished";
    else if (kind === diverged || status?.outcome === "diverged") outcome = "diverged";
    else if (kind === none && status?.outcome === "finished") outcome = "diverged";
    else outcome = "missing";
    if (kind !== number) {
      const word = lossSource.columns[0]!.text(row);
      (outcome === "missing" ? missing : marks).add(word === "" ? "nothing" : JSON.stringify(word));
    } else if (outcome === "missing") missing.add(JSON.stringify(status!.word));
    fates.mark(
      row,
      outcome === "finished"
        ? "a run"
        : outcome === "diverged"
          ? "a run that diverged"
          : "a run without a final loss",
    );
    const loss = runs.loss(run);
    rows[made.length] = row;
    made.next();
    made.set("learningRate", rate);
    made.set("batchSize", batchSize);
    made.set("loss", outcome === "finished" ? (maximized ? -loss : loss) : Number.NaN);
    if (outcome === "missing") made.missing();
    const said = runs.steps(run);
    const values = {
      epsilon: epsilons?.(row),
      steps: steps === null ? (Number.isNaN(said) ? undefined : said) : steps(row, said),
      tokens: tokens?.(row),
      weightDecay: decays?.(row),
      standardError: errors === null ? spread?.(row) : errors(row),
    };
    for (const field of optionalNumbers) {
      const value = values[field] ?? Number.NaN;
      made.set(field, field !== "standardError" || value > 0 ? value : Number.NaN);
    }
  }

  if (counts.duplicate > 0)
    notes.push(`${plural(counts.duplicate, "row")} equal to another in all columns counted once`);
  if (counts.empty > 0)
    notes.push(`${plural(counts.empty, "row")} without a learning rate or batch size left out`);
  if (left.words.length > 0) {
    const unknown = left.words.find((word) => statuses!.isUnknown(word));
    notes.push(
      `runs that didn't finish were left out (column ${JSON.stringify(statuses!.columns[0]!.name)}: ${left})${unknown === undefined ? "" : `; if ${JSON.stringify(unknown)} is a finished run: ${say({ kind: "finished", word: unknown })}`}`,
    );
  }
  if (marks.words.length > 0)
    notes.push(`runs that diverged, by what stands in place of their loss: ${marks}`);
  if (missing.words.length > 0)
    notes.push(
      `runs without a final loss (${missing}): nothing says that they diverged; they bound the optimum where they are above all finished learning rates of their batch size`,
    );
  const kept = rows.subarray(0, made.length);
  return made.build(seedsOf(found.get("seed")?.columns[0], kept), parts.covariates?.(kept) ?? null);
}
