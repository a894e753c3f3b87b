import { z } from "zod";
import { nearest } from "./nearest.ts";
import { isPlainObject, type PlainObject } from "./plainObject.ts";

/** Characters of a value in a message at most. */
const longestValue = 120;

/** A value as a message shows it: as JSON, but with numbers that JSON lacks, and not endlessly long. */
export function shownValue(value: unknown): string {
  const text =
    typeof value === "object" && value !== null
      ? (JSON.stringify(value, (_key, node: unknown) =>
          typeof node === "number" && !Number.isFinite(node)
            ? `number ${node}`
            : typeof node === "bigint"
              ? `${node}`
              : node,
        ) ?? String(value))
      : typeof value === "string"
        ? JSON.stringify(value)
        : String(value);
  return text.length <= longestValue ? text : `${text.slice(0, longestValue - 20)} … ${text.slice(-15)}`;
}

/** Names of keys, not endlessly long either. */
const shownKeys = (keys: readonly PropertyKey[]) =>
  keys
    .map(String)
    .map((key) =>
      key.length <= longestValue ? key : `${key.slice(0, longestValue - 20)} … ${key.slice(-15)}`,
    )
    .join(".");

/** One line for the first problem that the schema found. */
export function describeIssue(schema: z.ZodObject, issue: z.core.$ZodIssue, value: unknown): string {
  const where = shownKeys(issue.path);
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    const known = knownKeys(schema, issue.path, value);
    const guess = nearest(key, known);
    const place = shownKeys([...issue.path, key]);
    return `${place}: unknown key; ${guess === null ? `expected one of ${known.join(", ")}` : `did you mean ${guess}?`}`;
  }
  let actual: unknown = value;
  for (const key of issue.path) actual = (actual as PlainObject | undefined)?.[key as string];
  if (issue.code === "invalid_union" && "note" in issue) {
    return `${where} ${shownValue(actual)}: expected one of ${objectsAt(schema, issue.path.slice(0, -1), null).map(kindOf).join(", ")}`;
  }
  if (issue.code === "invalid_union") return `${where} ${shownValue(actual)}: ${expectedOfUnion(issue)}`;
  const shown = actual === undefined ? "is missing" : shownValue(actual);
  return `${where} ${shown}: ${issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "")}`;
}

function expectedOfUnion(issue: z.core.$ZodIssueInvalidUnion): string {
  const messages = issue.errors.map(([first]) => first?.message.replace(/^Invalid input: /, "") ?? "");
  return [...new Set(messages)].join(", or ");
}

/** A schema without what wraps it (optional, default, …), as its alternatives if it is a union. */
function alternatives(schema: z.core.$ZodType): z.core.$ZodType[] {
  let inner = schema;
  while ("innerType" in inner._zod.def) inner = inner._zod.def.innerType as z.core.$ZodType;
  return inner instanceof z.ZodUnion ? inner.options.flatMap(alternatives) : [inner];
}

/** What may stand under a key of an object, or at a place of a list. */
function inside(schema: z.core.$ZodType, key: PropertyKey): z.core.$ZodType[] {
  if (schema instanceof z.ZodArray) return alternatives(schema.element);
  return schema instanceof z.ZodObject && Object.hasOwn(schema.shape, key)
    ? alternatives(schema.shape[key as string]!)
    : [];
}

/** The objects that may stand at a path; of alternatives with a `kind`, the one that the value says, if it says one. */
function objectsAt(schema: z.ZodObject, at: readonly PropertyKey[], value: unknown): z.ZodObject[] {
  const objects = (schemas: readonly z.core.$ZodType[], own: unknown) => {
    const all = schemas.filter((schema) => schema instanceof z.ZodObject);
    const chosen = all.filter((schema) => isPlainObject(own) && kindOf(schema) === own.kind);
    return chosen.length > 0 ? chosen : all;
  };
  let current: readonly z.core.$ZodType[] = objects([schema], value);
  let own = value;
  for (const key of at) {
    own = (own as PlainObject | undefined)?.[key as string];
    const below = current.flatMap((each) => inside(each, key));
    const lists = below.filter((each) => each instanceof z.ZodArray);
    current = [...(Array.isArray(own) ? lists : []), ...objects(below, own)];
  }
  return objects(current, own);
}

function kindOf(schema: z.ZodObject): unknown {
  const { kind } = schema.shape;
  return kind instanceof z.ZodLiteral ? kind.value : undefined;
}

function knownKeys(schema: z.ZodObject, at: readonly PropertyKey[], value: unknown): string[] {
  return [...new Set(objectsAt(schema, at, value).flatMap(({ shape }) => Object.keys(shape)))];
}
