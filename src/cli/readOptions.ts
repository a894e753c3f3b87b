import { ConfigError } from "../errors.ts";
import type { HistoryChoice, ReadSweepOptions, SayMend, SweepField } from "../scaling/index.ts";
import { shellWord } from "./shellWord.ts";

/** What `rotor fit` is told about reading a table. The page of `rotor ui` asks the same. */
export interface ReadFlags {
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
export const columnOptions = {
  learningRate: ["--lr", "lr"],
  batchSize: ["--batch", "batch"],
  loss: ["--loss", "loss"],
  epsilon: ["--epsilon-column", "epsilonColumn"],
  steps: ["--steps-column", "stepsColumn"],
  tokens: ["--tokens-column", "tokensColumn"],
  seed: ["--seed-column", "seedColumn"],
  weightDecay: ["--weight-decay-column", "weightDecayColumn"],
  standardError: ["--error-column", "errorColumn"],
} as const satisfies Record<SweepField, readonly [option: string, flag: keyof ReadFlags]>;

/** Says how to mend a misreading: with which option. */
export const sayOption: SayMend = (mend) => {
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

/**
 * @param by - columns that the rows keep whatever else they're taken for
 * @throws ConfigError for options that contradict each other
 */
export function readOptions(flags: ReadFlags, by: readonly string[] = []): ReadSweepOptions {
  if (flags.maximize === true && flags.minimize === true)
    throw new ConfigError("--maximize and --minimize: expected one of them");
  const columns: Partial<Record<SweepField, string>> = {};
  for (const [field, [, flag]] of Object.entries(columnOptions) as [
    SweepField,
    (typeof columnOptions)[SweepField],
  ][])
    if (flags[flag] !== undefined) columns[field] = flags[flag];
  return {
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
}
