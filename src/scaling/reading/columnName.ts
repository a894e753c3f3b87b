/** What exports put before a parameter: `params.lr` of MLflow, `params_lr` of Optuna, `config/lr` of Ray, `config.optimizer.lr` of W&B. */
const parameterPrefix =
  /^(params?|configs?|cfg|hparams?|hp|hyper_?parameters?|args|arguments|settings|optimizer|optim|opt|training|train_loop_config|trainer|user_attrs|model_config|training_args|sys_params)_(?=.)/;
const metricPrefix = /^(metrics?|summary|results?|hp_metric|final|latest_metrics|score)_(?=.)/;

/** Case, separators and camel case aside: `optimizer.learningRate` → `optimizer_learning_rate`. */
export const normalizedName = (name: string) =>
  name
    .trim()
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "");

/** The name and what is left of it without prefixes, the longest first. */
export function nameForms(column: string, kind: "parameter" | "metric"): string[] {
  const prefix = kind === "metric" ? metricPrefix : parameterPrefix;
  const forms = [normalizedName(column)];
  for (;;) {
    const shorter = forms.at(-1)!.replace(prefix, "");
    if (shorter === forms.at(-1)) return forms;
    forms.push(shorter);
  }
}

/** Whether an export says of the column that it was configured. */
export const isConfigured = (column: string) =>
  /^(params?|config|cfg|hparams?|hyper_?parameters?|args|training_args|user_attrs)[._/]/i.test(column.trim());

/** Whether an export says of the column that it was measured. */
export const isLogged = (column: string) =>
  /^(metrics?|summary|charts?|train(ing)?|val(id(ation)?)?|eval|test|results?|perf|sensors|info|timers|system|custom_metrics)[./]/i.test(
    column.trim(),
  ) || /^metrics?_/i.test(column.trim());

/** The last part of a path: `lr` of `trainer.optim.lr`. */
export const lastPart = (column: string) =>
  normalizedName(
    column
      .trim()
      .split(/[./:|]/)
      .at(-1) ?? "",
  );
