import { commandRow } from "../commandRow.ts";

export const devicesRow = commandRow({
  example: "rotor devices",
  declare(program, { done }) {
    program
      .command("devices")
      .description("what models can run on: the CPU and GPUs, with their drivers, limits and measured speeds")
      .option("--json", "print JSON")
      .action(async (flags) => {
        const { devicesCommand } = await import("../devicesCommand.ts");
        done(await devicesCommand(flags));
      });
  },
});
