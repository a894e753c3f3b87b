import type { TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";

/** @throws ConfigError for what `rotor import` wrote, which says nothing of how to train */
export function checkNotImported(config: TrainConfig, what: string): void {
  if (config.task !== "language" || config.imported === undefined) return;
  const { architecture, optimizer } = config.imported;
  throw new ConfigError(
    optimizer === undefined
      ? `${what}: was imported (${architecture}), not trained: there is nothing to continue`
      : `${what}: was imported (${architecture}) with its optimizer's state: it isn't resumed but continued, as a new run`,
  );
}
