import { commandRow } from "../commandRow.ts";
import { deviceOption, positiveInteger } from "../optionTypes.ts";

export const workerRow = commandRow({
  example: "rotor worker --once",
  declare(program, { done, homeOption, sharedOption }) {
    program
      .command("worker")
      .description("run trials of sweeps that were begun here or, with ROTOR_DATABASE_URL, on any machine")
      .option("--once", "end when no trial waits, instead of waiting for more")
      .option("--workers <n>", "trials that run at the same time", positiveInteger, 1)
      .option(
        "--threads <n>",
        "threads of one operator in each trial (by default the cores, divided)",
        positiveInteger,
      )
      .addOption(
        deviceOption("where trials run (by default as the sweep was begun); auto: the GPU if it is faster"),
      )
      .option("--sweep <sweep>", "only trials of this sweep")
      .option(...sharedOption)
      .option(...homeOption)
      .action(async (flags) => {
        const { workerCommand } = await import("../workerCommand.ts");
        done(await workerCommand(flags));
      });
  },
});
