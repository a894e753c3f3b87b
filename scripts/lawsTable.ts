import { lawsByName } from "../src/scaling/index.ts";
import { withTable } from "./optionsText.ts";

const compared = {
  optima: "best learning rates",
  runs: "best learning rates with their runs",
  epsilon: "best learning rates at several ε",
  named: "only where it is named, by `fitLaw`: its shape is the sign law's",
} as const;

/** The table of docs/fit.md. */
export function lawsTable(): string {
  const rows = Object.values(lawsByName).map(
    ({ name, formula, parameters, says, comparedOn }) =>
      `| \`${name}\` | ${formula} | ${parameters.join(", ")} | ${says} | ${compared[comparedOn]} |`,
  );
  return `| law | formula | parameters | what it stands for | fitted to |
|---|---|---|---|---|
${rows.join("\n")}`;
}

/** The page with its table as the laws are now. */
export const withLawsTable = (page: string) => withTable(page, "laws", "docs:laws", lawsTable());
