import { ConfigError, DataError } from "../errors.ts";
import {
  type FitGroupsOptions,
  type FitSweepOptions,
  fields,
  fitGroups,
  fitSweep,
  type GroupPlace,
  type GroupsFit,
  PoolingError,
  type SweepFit,
  type SweepTable,
} from "../scaling/index.ts";
import { parsePlace } from "./fitPlace.ts";
import { type ReadyAnswer, readyAnswer } from "./readyAnswer.ts";

/** What `rotor fit` is asked of a table that was read. */
export interface FitQuestion {
  /** Batch sizes, with `by` also groups, to predict at. */
  readonly at: readonly string[];
  /** Columns whose values make groups. */
  readonly by?: readonly string[];
  readonly epsilon?: number;
  readonly confidence: number;
}

/** What it answers: of runs, of groups of them, or of a table that holds best learning rates or steps to a target already. */
export type FitResult =
  | { readonly kind: "ready"; readonly ready: ReadyAnswer }
  | { readonly kind: "sweep"; readonly fit: SweepFit }
  | { readonly kind: "groups"; readonly fit: GroupsFit };

/** Refuses to group by what is fitted. */
function checkBy(source: SweepTable): void {
  for (const field of ["learningRate", "batchSize", "loss"] as const) {
    const column = source.columns[field];
    if (column !== undefined && source.by.includes(column))
      throw new ConfigError(`--by ${column}: is the ${fields[field].spoken} itself`);
  }
}

/** Fits one sweep, and says with the command's options what to do if it's none. */
function fitOne(source: SweepTable, places: readonly GroupPlace[], options: FitSweepOptions) {
  const named = places.find(({ key }) => Object.keys(key).length > 0);
  if (named !== undefined)
    throw new ConfigError(
      `--at ${Object.keys(named.key)[0]}=…: needs --by ${Object.keys(named.key).join(",")}`,
    );
  try {
    return fitSweep(source.runs, {
      ...options,
      ...(places.length > 0 && { at: places.map(({ batchSize }) => batchSize) }),
    });
  } catch (error) {
    if (!(error instanceof PoolingError)) throw error;
    // Tokens and steps by the name of their column.
    const name = source.columns[error.effect.name as "tokens" | "steps"] ?? error.effect.name;
    const factor = Number(error.effect.factor!.toPrecision(2));
    throw new DataError(
      `\`${name}\` has ${error.effect.values} values whose best learning rates differ ${factor} times: --by ${name}, or --where ${name}=…`,
      { cause: error },
    );
  }
}

/** What the groups of a table are fitted with. */
export function groupsQuestion(
  source: SweepTable,
  { at, by = [], epsilon, confidence }: FitQuestion,
): FitGroupsOptions {
  const named = (column: string) => source.by[by.indexOf(column)] ?? column;
  const places = at.map((text) => {
    const { key, batchSize } = parsePlace(text, by);
    return {
      key: Object.fromEntries(Object.entries(key).map(([column, value]) => [named(column), value])),
      batchSize,
    };
  });
  return {
    confidence,
    ...(epsilon !== undefined && { epsilon }),
    ...(places.length > 0 && { at: places }),
  };
}

/**
 * What `rotor fit` says of a table. Nothing of Node is used: the page of `rotor ui` fits by it too.
 *
 * @param name - of the table, for errors
 * @param fit - fits one group, where that was done in other threads
 * @throws DataError if the table doesn't suffice; ConfigError for an impossible option
 */
export function fitSource(
  source: SweepTable,
  name: string,
  question: FitQuestion,
  fit?: FitGroupsOptions["fit"],
): FitResult {
  const { at, by = [], epsilon, confidence } = question;
  const places = at.map((text) => parsePlace(text, by));
  const ready = readyAnswer(
    source,
    confidence,
    places.map(({ batchSize }) => batchSize),
  );
  if (ready !== null) {
    for (const [option, value] of Object.entries({ by: question.by, epsilon }))
      if (value !== undefined)
        throw new ConfigError(
          `--${option} ${value}: needs the runs; ${name} holds ${source.optima.length > 0 ? "best learning rates" : "steps to a target"}`,
        );
    return { kind: "ready", ready };
  }
  const options = { confidence, ...(epsilon !== undefined && { epsilon }) };
  if (by.length === 0) return { kind: "sweep", fit: fitOne(source, places, options) };
  checkBy(source);
  return {
    kind: "groups",
    fit: fitGroups(source.rows, source.by, {
      ...groupsQuestion(source, question),
      ...(fit !== undefined && { fit }),
    }),
  };
}
