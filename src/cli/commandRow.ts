import type { Command } from "commander";

/** An option that several commands have: its flags, what it is, its default. */
type SharedOption = readonly [flags: string, description: string, value: string | undefined];

/** What commands are declared with. */
export interface CommandContext {
  /** Receives the exit code. */
  readonly done: (code: number) => void;
  readonly homeOption: readonly [flags: string, description: string, value: string];
  /** Where machines that share a sweep put checkpoints. */
  readonly sharedOption: SharedOption;
}

/**
 * A command in one piece: its options and what runs it. A new one is a file with this row in `commands/`, a name in `commandRows`, and the
 * rows of the tests whose types ask for it.
 */
export interface CommandRow {
  /** A line that a person may type. */
  readonly example: string;
  /** Declares it, with arguments and options. Its module is loaded when it runs, so that `--help` is there at once. */
  declare(program: Command, context: CommandContext): void;
}

export const commandRow = (row: CommandRow): CommandRow => row;
