import { type Preset, presetRows, type TaskName } from "../src/config/index.ts";
import { optimizerMethods } from "../src/optim/index.ts";
import type { OptionTable } from "../src/options/index.ts";
import { taskMethods } from "../src/tasks/index.ts";
import { withTable } from "./optionsText.ts";

interface PresetConfig {
  readonly task?: TaskName;
  readonly training: { readonly steps: number };
  readonly expectedLoss: { readonly mean: number; readonly spread: number; readonly seeds: number };
}

const presets = Object.entries<Preset>(presetRows).map(([name, { purpose, config }]) => ({
  name,
  purpose,
  ...(config as unknown as PresetConfig),
}));

function tasksTable(): string {
  const rows = Object.entries(taskMethods).map(([name, { sections, loss }]) => {
    const own = presets
      .filter(({ task = "language" }) => task === name)
      .map((preset) => `\`${preset.name}\``);
    return `| \`${name}\`${name === "language" ? " (default)" : ""} | ${own.join(", ")} | ${sections} | ${loss} |`;
  });
  return `| task | presets | own sections and keys | loss |\n|---|---|---|---|\n${rows.join("\n")}`;
}

function presetsTable(): string {
  const rows = presets.map(
    ({ name, purpose, training, task = "language", expectedLoss: { mean, spread, seeds } }) =>
      `| \`${name}\` | ${purpose} | ${training.steps} | ${mean} ± ${spread} (${seeds} seeds) ${taskMethods[task].loss} |`,
  );
  return `| preset | what for | steps | validation loss |\n|---|---|---|---|\n${rows.join("\n")}`;
}

/** Options of one row of a table are those that not every optimizer has. */
function optimizerKinds(): string {
  const shared = ["learningRate", "weightDecay"];
  const rows = Object.entries<{ readonly options: OptionTable }>(optimizerMethods).map(
    ([kind, { options }]) => {
      const own = Object.keys(options).filter((name) => !shared.includes(name));
      return `| \`${kind}\` | ${own.map((name) => `\`${name}\``).join(" ")} |`;
    },
  );
  return `| kind | own options |\n|---|---|\n${rows.join("\n")}`;
}

/** docs/training.md with its tables as the rows are now. */
export function withTrainingTables(page: string): string {
  const tables = { tasks: tasksTable(), presets: presetsTable(), "optimizer kinds": optimizerKinds() };
  return Object.entries(tables).reduce(
    (text, [name, table]) => withTable(text, name, "docs:training", table),
    page,
  );
}
