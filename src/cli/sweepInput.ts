import { ConfigError, DataError } from "../errors.ts";
import { patiently } from "../runs/index.ts";
import {
  type HistoryChoice,
  type ReadSweepOptions,
  readSweep,
  type SayMend,
  type SweepField,
  type SweepSource,
  type SweepTable,
} from "../scaling/index.ts";
import { openSweepFiles } from "../sweepFiles/index.ts";
import { openTrialStore, resultsCsv } from "../sweeps/index.ts";
import { commandPatience } from "./commandPatience.ts";
import { table } from "./format.ts";
import { shellWord } from "./shellWord.ts";

/** What the command is told about reading. */
export interface SweepInputFlags {
  /** A sweep of the store in place of files. */
  readonly sweep?: string;
  readonly home: string;
  readonly lr?: string;
  readonly batch?: string;
  readonly loss?: string;
  readonly epsilonColumn?: string;
  readonly stepsColumn?: string;
  readonly tokensColumn?: string;
  readonly seedColumn?: string;
  readonly weightDecayColumn?: string;
  readonly errorColumn?: string;
  readonly where: readonly string[];
  readonly maximize?: boolean;
  readonly minimize?: boolean;
  readonly finished?: readonly string[];
  readonly history?: HistoryChoice;
  readonly run?: string;
  readonly decimal?: "." | ",";
}

/** The option that names the column of each field. */
const columnOptions = {
  learningRate: ["--lr", "lr"],
  batchSize: ["--batch", "batch"],
  loss: ["--loss", "loss"],
  epsilon: ["--epsilon-column", "epsilonColumn"],
  steps: ["--steps-column", "stepsColumn"],
  tokens: ["--tokens-column", "tokensColumn"],
  seed: ["--seed-column", "seedColumn"],
  weightDecay: ["--weight-decay-column", "weightDecayColumn"],
  standardError: ["--error-column", "errorColumn"],
} as const satisfies Record<SweepField, readonly [option: string, flag: keyof SweepInputFlags]>;

/** Says how to mend a misreading: with which option. */
const sayOption: SayMend = (mend) => {
  switch (mend.kind) {
    case "column":
      return `${columnOptions[mend.field][0]} ${mend.column === undefined ? "<column>" : shellWord(mend.column)}`;
    case "maximize":
    case "minimize":
      return `--${mend.kind}`;
    case "finished":
      return `--finished ${shellWord(mend.word)}`;
    case "history":
      return `--history ${mend.take}`;
    case "run":
      return "--run <column>";
    case "where":
      return `--where ${shellWord(mend.condition)}`;
    case "by":
      return `--by ${shellWord(mend.column)}`;
    case "decimal":
      return `--decimal ${mend.sign}`;
  }
};

async function storedSweep(reference: string, home: string): Promise<SweepSource> {
  await using store = await patiently(() => openTrialStore(home, { readOnly: true }), commandPatience());
  const sweep = await store.getSweep(reference);
  const trials = await store.listTrials(sweep.id);
  if (trials.every(({ outcome }) => outcome === null))
    throw new DataError(`sweep ${sweep.id}: has no results yet`);
  return { name: `sweep ${reference}`, content: resultsCsv(sweep, trials) };
}

/**
 * Reads the sweep that a command is given: files, or one of the store.
 *
 * @param by - columns that the rows keep whatever else they're taken for
 * @throws DataError if it can't be read or used; ConfigError for an impossible option
 */
export async function readSweepInput(
  files: readonly string[],
  flags: SweepInputFlags,
  by: readonly string[] = [],
): Promise<SweepTable> {
  if ((files.length === 0) === (flags.sweep === undefined))
    throw new ConfigError("fit: expected files or --sweep <sweep>, and not both");
  if (flags.maximize === true && flags.minimize === true)
    throw new ConfigError("--maximize and --minimize: expected one of them");
  const columns: Partial<Record<SweepField, string>> = {};
  for (const [field, [, flag]] of Object.entries(columnOptions) as [
    SweepField,
    (typeof columnOptions)[SweepField],
  ][])
    if (flags[flag] !== undefined) columns[field] = flags[flag];
  const options: ReadSweepOptions = {
    columns,
    where: flags.where,
    say: sayOption,
    by,
    ...(flags.maximize === true && { direction: "maximize" }),
    ...(flags.minimize === true && { direction: "minimize" }),
    ...(flags.finished !== undefined && { finished: flags.finished }),
    ...(flags.history !== undefined && { history: flags.history }),
    ...(flags.run !== undefined && { run: flags.run }),
    ...(flags.decimal !== undefined && { decimal: flags.decimal }),
  };
  const sources =
    flags.sweep === undefined ? await openSweepFiles(files) : [await storedSweep(flags.sweep!, flags.home)];
  return readSweep(sources, options);
}

/** Where rows and columns went, as text. */
export function explanationText({ explanation, where }: SweepTable): string {
  const columns = explanation.columns.map(({ column, use }) => [`  ${JSON.stringify(column)}`, use]);
  const rows = explanation.rows.map(({ fate, count, places }) => [
    `  ${count}`,
    fate,
    count === 0 ? "" : `${places.join(", ")}${places.length === 12 ? ", …" : ""}`,
  ]);
  return [
    `Columns\n\n${table(columns)}`,
    ...(where.length > 0 ? [`Conditions\n\n${where.map((condition) => `  ${condition}`).join("\n")}`] : []),
    `Rows\n\n${table(rows)}`,
  ].join("\n\n");
}
