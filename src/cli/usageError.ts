import { ConfigError } from "../errors.ts";

/** The command was called wrongly: an option whose value can't be meant. Exit code 2. */
export class UsageError extends ConfigError {}
