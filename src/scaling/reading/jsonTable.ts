import { DataError } from "../../errors.ts";
import { getOwn, setOwn } from "../../reservedNames.ts";
import { ListColumn, makeTable, type Table } from "./table.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };
/** A run, or one moment of it, by the paths of its values. */
type Flat = Record<string, string>;

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** Python writes NaN and Infinity, which aren't JSON. */
function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const mended = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
      token.startsWith('"') ? token : `"${token}"`,
    );
    if (mended === text) throw error;
    return JSON.parse(mended) as Json;
  }
}

const cell = (value: Json): string =>
  value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);

/** `[{ key, value }, …]`, as MLflow's REST interface lists parameters and metrics. */
function pairs(value: Json): JsonObject | null {
  if (!isList(value) || value.length === 0) return null;
  if (!value.every((entry) => isObject(entry) && typeof entry.key === "string" && "value" in entry))
    return null;
  return Object.fromEntries((value as JsonObject[]).map(({ key, value: inner }) => [key as string, inner!]));
}

/** Paths with dots between; `{ value: … }` with nothing but a description is the value (W&B's configuration). */
function flatten(value: Json, path: string, into: Flat, lists: Map<string, readonly Json[]>): void {
  const object = pairs(value) ?? value;
  if (isObject(object)) {
    const keys = Object.keys(object);
    const wrapped =
      path !== "" && keys.includes("value") && keys.every((key) => key === "value" || key === "desc");
    if (wrapped) flatten(object.value!, path, into, lists);
    else for (const key of keys) flatten(object[key]!, path === "" ? key : `${path}.${key}`, into, lists);
  } else if (
    isList(object) &&
    object.length > 1 &&
    object.every((entry) => typeof entry === "number" || entry === null || entry === "NaN")
  )
    lists.set(path, object);
  else setOwn(into, path, cell(object));
}

/** One row of an object, or one for each moment where it holds curves: lists of one length. */
function rowsOf(object: JsonObject, run: number): Flat[] {
  const flat: Flat = {};
  const lists = new Map<string, readonly Json[]>();
  flatten(object, "", flat, lists);
  const lengths = [...lists.values()].map((list) => list.length);
  const length = Math.max(0, ...lengths);
  const curves = [...lists].filter(([, list]) => list.length === length);
  for (const [path, list] of lists) if (list.length !== length) setOwn(flat, path, JSON.stringify(list));
  if (length === 0) return [flat];
  return Array.from({ length }, (_, i) => ({
    ...flat,
    ...("run" in flat ? {} : { run: `${run + 1}` }),
    ...("step" in flat || lists.has("step") ? {} : { step: `${i + 1}` }),
    ...Object.fromEntries(curves.map(([path, list]) => [path, cell(list[i]!)])),
  }));
}

function toTable(objects: readonly JsonObject[]): Table {
  const rows = objects.flatMap(rowsOf);
  const names = new Set<string>();
  for (const row of rows) for (const name of Object.keys(row)) names.add(name);
  return makeTable(
    [...names].map(
      (name) =>
        new ListColumn(
          name,
          rows.map((row) => getOwn(row, name) ?? ""),
        ),
    ),
    rows.length,
    { place: (row) => `row ${row + 1}` },
  );
}

/** `{ lr: [0.1, 0.2], … }` and `{ lr: { "0": 0.1, "1": 0.2 }, … }` as rows. */
function fromColumns(object: JsonObject): JsonObject[] | null {
  const columns = Object.entries(object);
  if (columns.length < 2) return null;
  const lists = columns.every(([, value]) => isList(value))
    ? columns.map(([, value]) => value as readonly Json[])
    : columns.every(([, value]) => isObject(value) && Object.keys(value).every((key) => /^\d+$/.test(key)))
      ? columns.map(([, value]) => Object.values(value as JsonObject))
      : null;
  if (lists === null || lists.some((list) => list.length !== lists[0]!.length)) return null;
  return lists[0]!.map((_, i) => Object.fromEntries(columns.map(([name], k) => [name, lists[k]![i]!])));
}

const namesOfRows = ["runs", "trials", "results", "rows", "records", "experiments", "sweep", "data"];

/** Rows of a value in any of the shapes that tables take in JSON; null if it has none. */
function rowsIn(value: Json): JsonObject[] | null {
  if (isList(value)) {
    if (value.length > 0 && value.every(isObject)) return [...value] as JsonObject[];
    const [header, ...body] = value;
    if (
      body.length > 0 &&
      isList(header) &&
      header.every((name) => typeof name === "string") &&
      body.every(isList)
    )
      return (body as Json[][]).map((cells) =>
        Object.fromEntries(header.map((name, i) => [name, cells[i] ?? null])),
      );
    return null;
  }
  if (!isObject(value)) return null;
  const { columns, data, log_history: log } = value;
  // pandas, orient="split".
  if (isList(columns) && isList(data)) return rowsIn([columns, ...data]);
  // Transformers' trainer_state.json: what holds for all of it goes to each row.
  if (isList(log) && log.every(isObject)) {
    const rest = Object.entries(value).filter(
      ([, inner]) => typeof inner === "number" || typeof inner === "string",
    );
    const constants = Object.fromEntries(rest.filter(([key]) => key !== "global_step" && key !== "epoch"));
    return (log as JsonObject[]).map((entry) => ({ ...constants, ...entry }));
  }
  for (const name of namesOfRows) {
    const inner = value[name];
    if (isList(inner) && inner.length > 0 && inner.every(isObject)) return [...inner] as JsonObject[];
  }
  const columnar = fromColumns(value);
  if (columnar !== null) return columnar;
  const entries = Object.entries(value);
  // { "run-1": { … }, "run-2": { … } }
  if (entries.length > 1 && entries.every(([, inner]) => isObject(inner))) {
    const keys = entries.map(([, inner]) => Object.keys(inner as JsonObject));
    if (keys.every((list) => list.some((key) => keys[0]!.includes(key))))
      return entries.map(([name, inner]) => ({ run: name, ...(inner as JsonObject) }));
  }
  return entries.length > 0 ? [value] : null;
}

/**
 * Reads JSON (a list of runs, a list of rows, columns, pandas' orients, MLflow's and Transformers' shapes) or JSON lines. Nested keys become
 * paths with dots; `NaN` and `Infinity`, as Python writes them, are read.
 *
 * @returns null if the text is no JSON
 * @throws DataError if it is JSON and holds no table, or a line of JSON lines isn't JSON
 */
export function readJson(text: string): Table | null {
  let value: Json;
  try {
    value = parse(text);
  } catch (cause) {
    const lines = text.split("\n");
    const filled = lines
      .map((line, i) => ({ line: line.trim().replace(/,$/, ""), i }))
      .filter(({ line }) => line !== "");
    try {
      parse(filled[0]!.line);
    } catch {
      if (/^\s*[[{]\s*["\n\]}]/.test(text))
        throw new DataError(
          `the file begins as JSON and isn't: ${(cause as Error).message.replaceAll("\n", " ")}`,
          { cause },
        );
      return null;
    }
    value = filled.map(({ line, i }, k) => {
      try {
        return parse(line);
      } catch (error) {
        // A line that was being written when the process ended.
        if (k === filled.length - 1 && filled.length > 1) return {};
        throw new DataError(`line ${i + 1}: isn't JSON: ${JSON.stringify(line.slice(0, 60))}`, {
          cause: error,
        });
      }
    });
    value = (value as Json[]).filter((entry) => !isObject(entry) || Object.keys(entry).length > 0);
  }
  const rows = rowsIn(value);
  if (rows === null || rows.length === 0)
    throw new DataError(
      "the JSON holds no table: expected a list of objects, one for each run, or an object of lists",
    );
  return toTable(rows);
}
