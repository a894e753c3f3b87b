import type { Command } from "commander";
import { commandRows } from "../src/cli/commands/index.ts";
import { buildProgram } from "../src/cli/program.ts";

const escaped = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

/** A default as people write it; that of a list without entries is none. */
function defaultOf(value: unknown): string {
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return "";
  return `\`${String(value)}\``;
}

function optionsOf(command: Command): string {
  const rows = command.options.map(
    ({ flags, description, defaultValue }) =>
      `| \`${flags}\` | ${escaped(description)} | ${defaultOf(defaultValue)} |`,
  );
  return rows.length === 0 ? "" : `\n\n| option | what | default |\n|---|---|---|\n${rows.join("\n")}`;
}

function usageOf(command: Command, path: readonly string[]): string {
  return `\`${["rotor", ...path, command.usage()].join(" ")}\``;
}

/** A command and those below it. */
function section(command: Command, path: readonly string[]): string[] {
  const own = [...path, command.name()];
  const text = [usageOf(command, own), ...(command.description() === "" ? [] : [command.description()])];
  return [
    `${text.join(": ")}${optionsOf(command)}`,
    ...command.commands.flatMap((child) => section(child, own)),
  ];
}

/** docs/commands.md. */
export function commandsPage(): string {
  // What the environment says of a folder is no default.
  const { ROTOR_HOME, ROTOR_SHARED, ...rest } = process.env;
  process.env = rest;
  const program = buildProgram(() => undefined);
  process.env = { ...rest, ...(ROTOR_HOME && { ROTOR_HOME }), ...(ROTOR_SHARED && { ROTOR_SHARED }) };
  const sections = program.commands.map((command) => {
    const { example } = commandRows[command.name() as keyof typeof commandRows];
    return `## rotor ${command.name()}\n\n${section(command, []).join("\n\n")}\n\n\`\`\`sh\n${example}\n\`\`\``;
  });
  return `# Commands

Written by \`npm run docs:commands\` from the rows in \`src/cli/commands\`; \`rotor <command> --help\` prints the same.

${sections.join("\n\n")}
`;
}
