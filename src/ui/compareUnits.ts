import { compactNumber } from "../compactNumber.ts";
import type { TrainConfig } from "../config/index.ts";

/** What two or more runs can be compared by. */
export interface ComparedUnits {
  /** The losses themselves; bits per byte, where a token isn't the same for all; nothing, where the tasks differ. */
  readonly by: "loss" | "bitsPerByte" | null;
  /** What whoever compares them should know, a line each. */
  readonly notes: readonly string[];
}

/** Tokens, images or codes that a run learns from in so many steps, and their name. */
function budget(config: TrainConfig, steps: number): { readonly count: number; readonly item: string } {
  const { batchSize, accumulate } = config.training;
  const length = config.task === "language" ? config.training.length : 1;
  return {
    count: steps * batchSize * accumulate * length,
    item: config.task === "language" ? "tokens" : config.task === "own" ? "examples" : "images",
  };
}

const differ = (values: readonly unknown[]) => new Set(values.map((value) => JSON.stringify(value))).size > 1;

/** @param steps - that each run has done */
export function compareUnits(configs: readonly TrainConfig[], steps: readonly number[]): ComparedUnits {
  const tasks = configs.map(({ task }) => task);
  if (differ(tasks))
    return {
      by: null,
      notes: [`the runs are of different tasks (${tasks.join(", ")}): their losses can't be compared`],
    };
  const notes: string[] = [];
  const budgets = configs.map((config, i) => budget(config, steps[i] ?? 0));
  if (differ(budgets)) {
    const shown = budgets.map(({ count }) => compactNumber(count)).join(", ");
    notes.push(`the runs have learnt from different numbers of ${budgets[0]!.item}: ${shown}`);
  }
  const languages = configs.filter((config) => config.task === "language");
  if (languages.length === 0) {
    const models = configs.map((config) => (config.task === "codes" ? config.data.run : null));
    if (differ(models)) notes.push("the codes are of different autoencoders: their losses can't be compared");
    return { by: differ(models) ? null : "loss", notes };
  }
  const texts = languages.map(({ data: { source, format, field, validationFraction, seed } }) => [
    source,
    format,
    field,
    validationFraction,
    seed,
  ]);
  if (differ(texts)) notes.push("the runs are validated on different texts");
  // A vocabulary that is trained depends on its text.
  const tokenizers = languages.map(({ data: { tokenizer, source, format, field } }) =>
    typeof tokenizer === "string" ? tokenizer : { tokenizer, source, format, field },
  );
  if (!differ(tokenizers)) return { by: "loss", notes };
  notes.unshift("the runs have different tokenizers: bits per byte are compared, not losses per token");
  return { by: "bitsPerByte", notes };
}
