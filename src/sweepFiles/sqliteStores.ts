import { DatabaseSync } from "node:sqlite";
import { DataError } from "../errors.ts";
import type { SweepSource } from "../scaling/index.ts";
import { type RunRecord, tableOfRecords } from "./records.ts";

type Row = Record<string, string | number | null>;

/** Values that SQLite gives are asked for by names only. */
const all = (database: DatabaseSync, query: string) => database.prepare(query).all() as Row[];

/** MLflow's runs: a row for each step at which something was logged. */
function mlflowRecords(database: DatabaseSync): RunRecord[] {
  const runs = new Map<string, Record<string, string>>();
  for (const { run_uuid: id, name, status, experiment } of all(
    database,
    `select r.run_uuid, r.name, r.status, e.name as experiment from runs r left join experiments e on e.experiment_id = r.experiment_id
     where r.lifecycle_stage = 'active' order by r.start_time, r.rowid`,
  ))
    runs.set(String(id), {
      run_id: String(id),
      name: String(name ?? ""),
      status: String(status),
      experiment: String(experiment ?? ""),
    });
  for (const { run_uuid: id, key, value } of all(database, "select run_uuid, key, value from params")) {
    const run = runs.get(String(id));
    if (run !== undefined) run[`params.${key}`] = String(value);
  }
  const moments = new Map<string, Map<number, Record<string, string>>>();
  for (const { run_uuid: id, key, value, step, is_nan: noNumber } of all(
    database,
    "select run_uuid, key, value, step, is_nan from metrics order by step, timestamp",
  )) {
    const steps = moments.get(String(id)) ?? new Map<number, Record<string, string>>();
    const moment = steps.get(Number(step)) ?? {};
    moment[`metrics.${key}`] = noNumber === 1 ? "nan" : String(value);
    steps.set(Number(step), moment);
    moments.set(String(id), steps);
  }
  return [...runs].flatMap(([id, run]) => {
    const steps = moments.get(id);
    return steps === undefined
      ? [run]
      : [...steps].map(([step, values]) => ({ ...run, step: String(step), ...values }));
  });
}

/** The value that Optuna keeps as a number: the place among the choices, for what isn't one. */
function optunaParameter(value: number, distribution: string): string {
  const { name, attributes } = JSON.parse(distribution) as {
    name: string;
    attributes: { choices?: unknown[] };
  };
  return name === "CategoricalDistribution" ? String(attributes.choices?.[value]) : String(value);
}

/** Optuna's trials, one row each. */
function optunaRecords(database: DatabaseSync): {
  records: RunRecord[];
  directions: Record<string, "minimize" | "maximize">;
} {
  const trials = new Map<number, Record<string, string>>();
  for (const { trial_id: id, number, state, study } of all(
    database,
    "select t.trial_id, t.number, t.state, s.study_name as study from trials t join studies s on s.study_id = t.study_id order by t.trial_id",
  ))
    trials.set(Number(id), { number: String(number), state: String(state), study: String(study) });
  for (const { trial_id: id, param_name: name, param_value: value, distribution_json: distribution } of all(
    database,
    "select trial_id, param_name, param_value, distribution_json from trial_params",
  ))
    trials.get(Number(id))![`params_${name}`] = optunaParameter(Number(value), String(distribution));
  for (const { trial_id: id, key, value_json: value } of all(
    database,
    "select trial_id, key, value_json from trial_user_attributes",
  ))
    trials.get(Number(id))![`user_attrs_${key}`] = String(value).replace(/^"(.*)"$/, "$1");
  const said = all(database, "select distinct objective, direction from study_directions order by objective");
  const several = said.some(({ objective }) => Number(objective) > 0);
  const column = (objective: number) => (several ? `values_${objective}` : "value");
  for (const { trial_id: id, objective, value, value_type: type } of all(
    database,
    "select trial_id, objective, value, value_type from trial_values",
  ))
    trials.get(Number(id))![column(Number(objective))] =
      type === "INF_POS" ? "inf" : type === "INF_NEG" ? "-inf" : String(value);
  const directions: Record<string, "minimize" | "maximize"> = {};
  for (const { objective, direction } of said) {
    const name = column(Number(objective));
    const same = said.filter((other) => other.objective === objective).length === 1;
    if (same) directions[name] = direction === "MAXIMIZE" ? "maximize" : "minimize";
  }
  return { records: [...trials.values()], directions };
}

/**
 * Reads the store that MLflow or Optuna keeps in a SQLite file; it isn't written to.
 *
 * @throws DataError if the database is damaged, or is neither's
 */
export function readSqliteStore(file: string): SweepSource {
  try {
    using database = new DatabaseSync(file, { readOnly: true });
    const tables = new Set(
      all(database, "select name from sqlite_master where type = 'table'").map(({ name }) => String(name)),
    );
    if (["runs", "params", "metrics"].every((name) => tables.has(name)))
      return { name: file, content: tableOfRecords(mlflowRecords(database), file) };
    if (["trials", "trial_params", "studies"].every((name) => tables.has(name))) {
      const { records, directions } = optunaRecords(database);
      return { name: file, content: tableOfRecords(records, file), directions };
    }
    throw new DataError(
      `${file}: this SQLite database is neither MLflow's nor Optuna's store; its tables: ${[...tables].join(", ")}`,
    );
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file}: the database can't be read: ${(error as Error).message}`, { cause: error });
  }
}
