import { commandRow } from "../commandRow.ts";
import { portNumber } from "../optionTypes.ts";

export const uiRow = commandRow({
  example: "rotor ui",
  declare(program, { done, homeOption }) {
    program
      .command("ui")
      .description("serve a page that shows runs and sweeps live, until Ctrl-C")
      .option("--port <n>", "port to listen at, 0 for any that is free", portNumber, 7860)
      .option(
        "--host <name>",
        "name or address to listen at; another one than loopback asks for a token, which is printed",
        "127.0.0.1",
      )
      .option(...homeOption)
      .action(async (flags) => {
        const { uiCommand } = await import("../uiCommand.ts");
        done(await uiCommand(flags));
      });
  },
});
