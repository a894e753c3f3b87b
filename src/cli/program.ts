import { Command, CommanderError } from "commander";
import { RotorError, StoreLostError } from "../errors.ts";
import { version } from "../version.ts";
import { visibleLine } from "../visibleText.ts";
import { commandLine } from "./commandLine.ts";
import type { CommandRow } from "./commandRow.ts";
import { commandRows } from "./commands/index.ts";
import { print, warn } from "./print.ts";
import { UsageError } from "./usageError.ts";

const exitFailure = 1;
const exitUsage = 2;

/** Options that name a folder which is written; those that name a file all do. */
const outputFolders: readonly string[] = ["--out", "--conformance"];

/** Builds the command; `done` receives the exit code of what was run. Commands are loaded when they run, so that `--help` is there at once. */
export function buildProgram(done: (code: number) => void): Command {
  const program = new Command("rotor")
    .description("Train transformers in TypeScript at native speed, and know which learning rate to use.")
    .version(version)
    .option("--debug", "print the stack trace of an error");
  const homeOption = [
    "--home <folder>",
    "folder of runs, checkpoints and caches",
    process.env.ROTOR_HOME || ".rotor",
  ] as const;
  const sharedOption = [
    "--shared <place>",
    "folder or s3://bucket/prefix that all machines reach, for checkpoints",
    process.env.ROTOR_SHARED,
  ] as const;

  for (const row of Object.values<CommandRow>(commandRows))
    row.declare(program, { done, homeOption, sharedOption });

  // What processes that were killed left behind goes with the next command.
  program.hook("preAction", async (_, command) => {
    const { home } = command.opts<{ home?: string }>();
    if (home !== undefined) (await import("../runs/index.ts")).removeLeftovers(home);
    await checkOutputs(command);
  });

  const quiet = (command: Command) => {
    command.exitOverride().configureOutput({
      writeOut: (text) => print(text),
      writeErr: (text) => print(text, process.stderr),
      outputError: (text) => warn(text.replace(/^error: /, "").trimEnd()),
    });
    for (const child of command.commands) quiet(child);
  };
  quiet(program);
  return program;
}

/** Refuses what can't be written before the work that it is for. */
async function checkOutputs(command: Command): Promise<void> {
  for (const option of command.options) {
    const kind = /<file>$/.test(option.flags) ? "file" : "folder";
    const value: unknown = command.getOptionValue(option.attributeName());
    // A path that is a file or a folder by another option is checked by the command.
    if (/<path>$/.test(option.flags)) continue;
    if (typeof value !== "string" || (kind === "folder" && !outputFolders.includes(option.long!))) continue;
    (await import("../data/index.ts")).checkOutput(value, kind);
  }
}

/** What happens when output can't be written. */
function endOnce(): (error: NodeJS.ErrnoException) => void {
  let isEnding = false;
  return ({ code, message }) => {
    if (isEnding) return;
    isEnding = true;
    // A reader that closes the pipe (as `| head` does) is no error; what must be kept, such as a run in training, is saved first.
    if (code === "EPIPE") {
      if (process.listenerCount("SIGTERM") > 0) process.emit("SIGTERM");
      else process.exit(0);
      return;
    }
    warn(`output: ${message}`);
    process.exit(exitFailure);
  };
}

/** Characters of a message at most: what a person gave may be of any length. */
const longestMessage = 1000;

/** What an error says, in one line: all of it for Rotor's own, whose values may have line ends; else the first. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = visibleLine(error instanceof RotorError ? message : message.split("\n")[0]!);
  if (line.length <= longestMessage) return line;
  const [head, tail] = [Math.floor(0.7 * longestMessage), Math.floor(0.3 * longestMessage)];
  return `${line.slice(0, head)} … ${line.slice(-tail)}`;
}

/**
 * Runs the command.
 *
 * @returns the exit code: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C
 */
export async function runCommand(args: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", endOnce());
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => {
    print(name === "RotorNotice" ? `${message}\n` : `${name}: ${message}\n`, process.stderr);
  });
  let code = 0;
  const program = buildProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
    const debug = args.includes("--debug");
    const text = debug && error instanceof Error ? error.stack : `rotor: ${messageOf(error)}`;
    const hint = error instanceof RotorError || debug ? "" : " (run with --debug for the stack trace)";
    const remedy = error instanceof StoreLostError ? ` with: ${commandLine(error.remedy)}` : "";
    print(`${text}${remedy}${hint}\n`, process.stderr);
    return error instanceof UsageError ? exitUsage : exitFailure;
  }
}
