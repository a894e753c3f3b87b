import type { SweepField } from "./fields.ts";

/** What would mend a misreading: something the reader can be told. */
export type Mend =
  | { readonly kind: "column"; readonly field: SweepField; readonly column?: string }
  | { readonly kind: "maximize" }
  | { readonly kind: "minimize" }
  | { readonly kind: "finished"; readonly word: string }
  | { readonly kind: "history"; readonly take: string }
  | { readonly kind: "run" }
  | { readonly kind: "where"; readonly condition: string }
  | { readonly kind: "by"; readonly column: string }
  | { readonly kind: "decimal"; readonly sign: string };

/** Says how to mend, in the words of whoever calls: options of the library, or of a command. */
export type SayMend = (mend: Mend) => string;

/**
 * In the words of the library.
 */
export const sayMend: SayMend = (mend) => {
  switch (mend.kind) {
    case "column":
      return `columns.${mend.field}${mend.column === undefined ? "" : ` = ${JSON.stringify(mend.column)}`}`;
    case "maximize":
      return 'direction = "maximize"';
    case "minimize":
      return 'direction = "minimize"';
    case "finished":
      return `finished = [${JSON.stringify(mend.word)}]`;
    case "history":
      return `history = ${JSON.stringify(mend.take)}`;
    case "run":
      return "run";
    case "by":
      return `by = [${JSON.stringify(mend.column)}]`;
    case "where":
      return `where = [${JSON.stringify(mend.condition)}]`;
    case "decimal":
      return `decimal = ${JSON.stringify(mend.sign)}`;
  }
};
