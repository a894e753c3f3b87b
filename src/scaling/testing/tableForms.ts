/** A table as texts: names of its columns, and rows of cells. */
export interface PlainTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const quoted = (cell: string) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const lines = (table: PlainTable, line: (cells: readonly string[]) => string) =>
  [table.columns, ...table.rows].map(line).join("\n");
const objects = ({ columns, rows }: PlainTable) =>
  rows.map((cells) => Object.fromEntries(columns.map((name, i) => [name, Number(cells[i])])));

function aligned(table: PlainTable): string {
  const widths = table.columns.map((name, i) =>
    Math.max(name.length, ...table.rows.map((row) => row[i]!.length)),
  );
  return lines(table, (cells) => cells.map((cell, i) => cell.padStart(widths[i]!)).join("  "));
}

function utf16(text: string, order: "little" | "big"): Uint8Array {
  const bytes = new Uint8Array(2 * text.length + 2);
  const view = new DataView(bytes.buffer);
  for (const [i, letter] of [...`\uFEFF${text}`].entries())
    view.setUint16(2 * i, letter.charCodeAt(0), order === "little");
  return bytes;
}

/** The forms in which people keep one table of numbers, each written by what is simplest. */
export const tableForms: Readonly<Record<string, (table: PlainTable) => string | Uint8Array>> = {
  commas: (table) => lines(table, (cells) => cells.map(quoted).join(",")),
  "commas, all quoted, CRLF": (table) =>
    lines(table, (cells) => cells.map((cell) => `"${cell}"`).join(",")).replaceAll("\n", "\r\n"),
  "commas, comments and empty lines": (table) =>
    `# made today\n\n${lines(table, (cells) => cells.join(", "))}\n\n# end\n`,
  "semicolons and decimal commas": (table) =>
    lines(table, (cells) => cells.map((cell) => cell.replace(".", ",")).join(";")),
  tabs: (table) => lines(table, (cells) => cells.join("\t")),
  bars: (table) => lines(table, (cells) => cells.join(" | ")),
  Markdown: (table) => {
    const [head, ...rest] = lines(table, (cells) => `| ${cells.join(" | ")} |`).split("\n");
    return [head, `|${table.columns.map(() => "---").join("|")}|`, ...rest].join("\n");
  },
  "aligned by spaces": aligned,
  "a data frame with its index": (table) =>
    aligned({
      columns: ["", ...table.columns],
      rows: table.rows.map((row, i) => [String(i), ...row]),
    }),
  "a list of JSON": (table) => JSON.stringify(objects(table)),
  "JSON lines": (table) =>
    objects(table)
      .map((one) => JSON.stringify(one))
      .join("\n"),
  "JSON by columns": ({ columns, rows }) =>
    JSON.stringify(Object.fromEntries(columns.map((name, i) => [name, rows.map((row) => Number(row[i]))]))),
  "UTF-8 with a mark": (table) => `\uFEFF${lines(table, (cells) => cells.join(","))}`,
  "UTF-16, little end first": (table) =>
    utf16(
      lines(table, (cells) => cells.join("\t")),
      "little",
    ),
  "UTF-16, big end first": (table) =>
    utf16(
      lines(table, (cells) => cells.join(",")),
      "big",
    ),
};
