import { ConfigError } from "../../errors.ts";
import { columnNamed, listNames } from "./expression.ts";
import type { SayMend } from "./mend.ts";
import { parseQuantity } from "./quantity.ts";
import type { Table } from "./table.ts";

type Test = (text: string) => boolean;

const number = (text: string) => parseQuantity(text);

/** One value, or a range `from..to` with both ends: either may be missing. */
function valueTest(wanted: string): Test {
  const range = /^(.*?)\.\.(.*)$/.exec(wanted);
  if (range !== null) {
    const low = range[1]!.trim() === "" ? Number.NEGATIVE_INFINITY : number(range[1]!);
    const high = range[2]!.trim() === "" ? Number.POSITIVE_INFINITY : number(range[2]!);
    if (!Number.isNaN(low) && !Number.isNaN(high)) {
      return (text) => {
        const value = number(text);
        return value >= low && value <= high;
      };
    }
  }
  const value = number(wanted);
  if (Number.isNaN(value)) return (text) => text === wanted;
  return (text) => text === wanted || number(text) === value;
}

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
};

/**
 * Rows that meet all conditions: `optimizer=adamw`, one of several `optimizer=adamw,lion`, all but these `optimizer!=sgd`, ranges with their
 * ends `params=1e6..1e8` and `lr>=1e-4`. Numbers are compared as numbers; a column's name may differ in case and separators.
 *
 * @returns 1 for each row that is kept
 * @throws ConfigError for a condition that can't be read or names no column
 */
export function filterRows(table: Table, conditions: readonly string[], say: SayMend): Uint8Array {
  const kept = new Uint8Array(table.length).fill(1);
  for (const condition of conditions) {
    const fail = (what: string): never => {
      throw new ConfigError(`${say({ kind: "where", condition })}: ${what}`);
    };
    // The longest name first: a column's own name may hold "=".
    const split = /^(.+?)\s*(!=|>=|<=|==|=|>|<)\s*(.*)$/s.exec(condition);
    if (split === null) return fail("expected column=value, or !=, <, <=, >, >= in place of =");
    const [, name, operator, wanted] = split as unknown as [string, string, string, string];
    const column = columnNamed(table.columns, name.trim());
    if (column === null)
      return fail(`no column ${JSON.stringify(name.trim())}; found ${listNames(table.columns)}`);
    let test: Test;
    const compare = comparisons[operator];
    if (compare !== undefined) {
      const limit = number(wanted);
      if (Number.isNaN(limit)) fail(`${JSON.stringify(wanted)}: expected a number`);
      test = (text) => compare(number(text), limit);
    } else {
      const any = [
        wanted.trim(),
        ...(wanted.includes(",") ? wanted.split(",").map((part) => part.trim()) : []),
      ].map(valueTest);
      const not = operator === "!=";
      test = (text) => any.some((one) => one(text)) !== not;
    }
    const { codes, count, text } = column.coded();
    const passes = new Uint8Array(count);
    for (let code = 0; code < count; code++) passes[code] = test(text(code)) ? 1 : 0;
    for (let row = 0; row < kept.length; row++) if (passes[codes[row]!] === 0) kept[row] = 0;
  }
  return kept;
}
