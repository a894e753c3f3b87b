import { type OptimizerMethod, type OptionTable, optimizerMethods } from "../src/optim/index.ts";
import { optionsText, withTable } from "./optionsText.ts";

/** Options that AdamW has beside another optimizer are named where they differ. */
const adamw: OptionTable = optimizerMethods.adamw.options;

function defaults(table: OptionTable): string {
  const own = Object.entries(table).filter(([, option]) => option.kind !== "group");
  const groups = Object.entries(table).flatMap(([name, option]) => {
    if (option.kind !== "group") return [];
    const changed = Object.entries(option.table).filter(([key, one]) => one !== adamw[key]);
    return [`\`${name}\`: ${optionsText(Object.fromEntries(changed))}`];
  });
  return [optionsText(Object.fromEntries(own)), ...groups].join("; ");
}

/** The table of docs/methods/optimizers.md. */
export function optimizersTable(): string {
  const rows = Object.entries<OptimizerMethod>(optimizerMethods).map(
    ([name, { update, state, options }]) =>
      `| \`${name}\` | ${update} | ${Object.entries(state)
        .map(([part, what]) => `\`${part}\` ${what}`)
        .join(", ")} | ${defaults(options)} |`,
  );
  return `| name | update of w, divided by −η | state by name | defaults, and whose |
|---|---|---|---|
${rows.join("\n")}`;
}

/** The page with its table as the rows are now. */
export const withOptimizersTable = (page: string) =>
  withTable(page, "optimizers", "docs:optimizers", optimizersTable());
