import { lastPart, normalizedName } from "./columnName.ts";
import { columnNamed } from "./expression.ts";
import type { Column } from "./table.ts";

/** What studies group by, with the names that it has. */
const usualNames: readonly (readonly string[])[] = [
  [
    "params",
    "n",
    "n_params",
    "num_params",
    "parameters",
    "n_parameters",
    "num_parameters",
    "model_size",
    "size",
  ],
  ["width", "d_model", "hidden_size", "hidden_dim", "n_embd", "embed_dim", "model_dim", "dim"],
  ["depth", "n_layers", "n_layer", "num_layers", "layers", "num_hidden_layers"],
  ["tokens", "d", "n_tokens", "num_tokens", "train_tokens", "total_tokens", "token_budget"],
  ["horizon", "max_iters", "max_steps", "num_steps", "total_steps", "train_steps", "iterations", "steps"],
  ["optimizer", "optim", "optimizer_name", "opt"],
];

/**
 * The column that groups are made by: of this name, in a path that ends with it (`model.width` for `width`), or of another usual name of the same thing
 * (`d_model` for `width`). Null for none, or several.
 */
export function groupColumn(columns: readonly Column[], name: string): Column | null {
  const named = columnNamed(columns, name);
  if (named !== null) return named;
  const wanted = normalizedName(name);
  const ending = columns.filter((column) => lastPart(column.name) === wanted);
  if (ending.length > 0) return ending.length === 1 ? ending[0]! : null;
  const names = usualNames.find((list) => list.includes(wanted)) ?? [];
  const alike = columns.filter((column) => names.includes(lastPart(column.name)));
  return alike.length === 1 ? alike[0]! : null;
}
