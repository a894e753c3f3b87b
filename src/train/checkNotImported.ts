import type { TrainConfig } from "../config/index.ts";
import { ConfigError } from "../errors.ts";

/** @throws ConfigError for what `rotor import` wrote, which says nothing of how to train */
export function checkNotImported(config: TrainConfig, what: string): void {
  if (config.task === "language" && config.imported !== undefined)
    throw new ConfigError(
      `${what}: was imported (${config.imported.architecture}), not trained: there is nothing to continue`,
    );
}
