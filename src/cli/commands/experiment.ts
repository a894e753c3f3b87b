import { commandRow } from "../commandRow.ts";
import { positiveInteger } from "../optionTypes.ts";

export const experimentRow = commandRow({
  example: "rotor experiment muon --quick",
  declare(program, { done, homeOption }) {
    program
      .command("experiment")
      .description("put a claim to the test and write a report; without a name, list the experiments")
      .argument("[name]")
      .option(
        "--status",
        "of every report: its claims, their verdicts, what would settle the open ones, and the cost",
      )
      .option("--quick", "a small version that takes seconds and proves nothing")
      .option("--out <folder>", "where the report goes", "experiments")
      .option(...homeOption)
      .option("--threads <n>", "threads of one operator", positiveInteger)
      .option("--json", "print the report as JSON")
      .action(async (name, flags) => {
        // Loaded only here: the plots' library would slow every command down.
        const { experimentCommand } = await import("../experimentCommand.ts");
        done(await experimentCommand(name, flags));
      });
  },
});
