import { fields, sweepFields } from "../src/scaling/index.ts";
import { withTable } from "./optionsText.ts";

const mostNames = 8;

/** Where names are found by a rule instead of a list. */
const byRule: Partial<Record<(typeof sweepFields)[number], string>> = {
  loss: "any name of a loss or a metric, validation before training (`--loss`)",
  standardError: "the loss's name with `_se`, `_sem`, `_stderr` (`--error-column`)",
};

/** The columns of docs/fit.md. */
export function fieldsTable(): string {
  const rows = sweepFields.map((field) => {
    const { spoken, names, allowed } = fields[field];
    const all = names.flat();
    const shown = all.slice(0, mostNames).map((name) => `\`${name}\``);
    const rest = all.length > mostNames ? ` and ${all.length - mostNames} more` : "";
    return `| ${spoken} | ${byRule[field] ?? `${shown.join(", ")}${rest}`} | ${allowed} |`;
  });
  return `| column | names | cells |
|---|---|---|
${rows.join("\n")}`;
}

/** The page with its table as the fields are now. */
export const withFieldsTable = (page: string) => withTable(page, "columns", "docs:laws", fieldsTable());
