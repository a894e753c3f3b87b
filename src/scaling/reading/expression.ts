import { ConfigError } from "../../errors.ts";
import { normalizedName } from "./columnName.ts";
import type { Column } from "./table.ts";

/** A formula over the columns of a table. */
export interface Expression {
  readonly columns: readonly Column[];
  /** The value of a row, from those of its columns in their order. */
  evaluate(values: ArrayLike<number>): number;
}

type Evaluate = (values: ArrayLike<number>) => number;

const functions: Readonly<Record<string, (...values: number[]) => number>> = {
  exp: Math.exp,
  log: Math.log,
  ln: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  abs: Math.abs,
  min: Math.min,
  max: Math.max,
  pow: (base = Number.NaN, exponent = Number.NaN) => base ** exponent,
};

/** Finds a column by its name, or by one that differs in case and separators only. */
export function columnNamed(columns: readonly Column[], name: string): Column | null {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return exact;
  const alike = columns.filter((column) => normalizedName(column.name) === normalizedName(name));
  return alike.length === 1 && normalizedName(name) !== "" ? alike[0]! : null;
}

export function listNames(columns: readonly Column[]): string {
  const shown = columns.slice(0, 30).map(({ name }) => JSON.stringify(name));
  return columns.length > 30 ? `${shown.join(", ")} and ${columns.length - 30} more` : shown.join(", ");
}

/**
 * Reads a formula of columns: numbers, names of columns (those that aren't words in quotation marks or backticks), `+ - * / ^` (and `**`),
 * parentheses, and `exp log ln log2 log10 sqrt abs min max pow`. A name goes before operators in it: `val/loss` is that column if there is one.
 *
 * @throws ConfigError that says where it can't be read, or which name isn't a column
 */
export function parseExpression(text: string, table: readonly Column[]): Expression {
  const used: Column[] = [];
  const names = table.map(({ name }) => name).filter((name) => name !== "" && !/^[\d.]+$/.test(name));
  names.sort((a, b) => b.length - a.length);
  let at = 0;
  const fail = (what: string): never => {
    throw new ConfigError(`${JSON.stringify(text)}: ${what}`);
  };
  const skip = () => {
    while (text[at] === " ") at++;
  };
  const take = (token: string): boolean => {
    skip();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const reference = (column: Column): Evaluate => {
    let place = used.indexOf(column);
    if (place < 0) place = used.push(column) - 1;
    return (values) => values[place]!;
  };
  const wordEnds = (end: number) =>
    !/[\p{L}\p{N}_]/u.test(text[end] ?? "") || !/[\p{L}\p{N}_]/u.test(text[end - 1]!);

  function atom(): Evaluate {
    skip();
    const quoted = /^(["'`])(.*?)\1/.exec(text.slice(at));
    if (quoted !== null) {
      at += quoted[0].length;
      const column =
        columnNamed(table, quoted[2]!) ??
        fail(`no column ${JSON.stringify(quoted[2])}; found ${listNames(table)}`);
      return reference(column);
    }
    if (take("(")) {
      const inner = sum();
      if (!take(")")) fail(`expected ")" at ${at + 1}`);
      return inner;
    }
    const name = names.find((known) => text.startsWith(known, at) && wordEnds(at + known.length));
    if (name !== undefined) {
      at += name.length;
      return reference(table.find((column) => column.name === name)!);
    }
    const number = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(text.slice(at));
    if (number !== null) {
      at += number[0].length;
      const value = Number(number[0]);
      return () => value;
    }
    const word = /^[\p{L}_][\p{L}\p{N}_.]*/u.exec(text.slice(at))?.[0];
    if (word === undefined)
      return fail(
        at >= text.length
          ? "ends too early"
          : `can't read ${JSON.stringify(text.slice(at, at + 10))} at ${at + 1}`,
      );
    at += word.length;
    const apply = functions[word.toLowerCase()];
    if (apply !== undefined && take("(")) {
      const first = sum();
      const second = take(",") ? sum() : null;
      if (!take(")")) fail(`expected ")" at ${at + 1}`);
      return (values) => (second === null ? apply(first(values)) : apply(first(values), second(values)));
    }
    const column =
      columnNamed(table, word) ?? fail(`no column ${JSON.stringify(word)}; found ${listNames(table)}`);
    return reference(column);
  }
  function power(): Evaluate {
    const base = atom();
    if (!take("**") && !take("^")) return base;
    const exponent = signed();
    return (values) => base(values) ** exponent(values);
  }
  function signed(): Evaluate {
    if (take("-")) {
      const inner = signed();
      return (values) => -inner(values);
    }
    take("+");
    return power();
  }
  function product(): Evaluate {
    let left = signed();
    for (;;) {
      const before = left;
      if (take("*") || take("×") || take("·")) {
        const right = signed();
        left = (values) => before(values) * right(values);
      } else if (take("/")) {
        const right = signed();
        left = (values) => before(values) / right(values);
      } else return left;
    }
  }
  function sum(): Evaluate {
    let left = product();
    for (;;) {
      const before = left;
      if (take("+")) {
        const right = product();
        left = (values) => before(values) + right(values);
      } else if (take("-")) {
        const right = product();
        left = (values) => before(values) - right(values);
      } else return left;
    }
  }

  const evaluate = sum();
  skip();
  if (at < text.length) fail(`can't read ${JSON.stringify(text.slice(at, at + 10))} at ${at + 1}`);
  if (used.length === 0) fail(`names no column; found ${listNames(table)}`);
  return { columns: used, evaluate };
}
