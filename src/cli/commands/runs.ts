import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { positiveInteger } from "../optionTypes.ts";

export const runsRow = commandRow({
  example: "rotor runs",
  declare(program, { done, homeOption }) {
    const runs = program
      .command("runs")
      .description("list, show, compare, export and delete runs, and make their store anew");
    runs
      .command("list", { isDefault: true })
      .option("--limit <n>", "the newest so many", positiveInteger, 1000)
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (flags) => done(await (await import("../runsCommand.ts")).listRuns(flags)));
    runs
      .command("show")
      .argument("<run>")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (run, flags) => done(await (await import("../runsCommand.ts")).showRun(run, flags)));
    runs
      .command("compare")
      .argument("<runs...>")
      .option(
        "--identical",
        "prove that the runs are equal bit by bit; exit 1 with the first difference otherwise",
      )
      .option(...homeOption)
      .action(async (names, flags) =>
        done(await (await import("../runsCommand.ts")).compareTwoRuns(names, flags)),
      );
    runs
      .command("export")
      .description("write the metrics of runs for another program")
      .argument("<runs...>")
      .addOption(
        new Option(
          "--to <format>",
          "tensorboard: a folder of event files for each run; wandb: a folder for each that wandb sync takes",
        )
          .choices(["tensorboard", "wandb"] as const)
          .makeOptionMandatory(),
      )
      .requiredOption("-o, --out <folder>", "a folder")
      .option(...homeOption)
      .action(async (names, flags) =>
        done(await (await import("../exportMetrics.ts")).exportMetrics(names, flags)),
      );
    runs
      .command("delete")
      .argument("<runs...>")
      .option(...homeOption)
      .action(async (names, flags) =>
        done(await (await import("../runsCommand.ts")).deleteRuns(names, flags)),
      );
    runs
      .command("rebuild")
      .description("make the run store anew from the folders of the runs")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (flags) => done((await import("../runsCommand.ts")).rebuildRuns(flags)));
  },
});
