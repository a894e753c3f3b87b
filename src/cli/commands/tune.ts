import { commandRow } from "../commandRow.ts";
import { collect, deviceOption, list, positive, positiveInteger } from "../optionTypes.ts";

export const tuneRow = commandRow({
  example: "rotor tune tiny",
  declare(program, { done, homeOption }) {
    program
      .command("tune")
      .description("find the best learning rate of a configuration by short runs, within some minutes")
      .argument("[config]", "preset, configuration file, or a text to train on")
      .option(
        "--for <config>",
        "tune a narrower proxy of this larger configuration, under its parametrization, and print the rate for it",
      )
      .option("--minutes <m>", "time that it may take (by default 10)", positive)
      .option("--set <path=value>", "override one option (repeatable)", collect, [])
      .option("--preset <name>", "what to train on a text (by default small)")
      .option("--measure", "carry the answer to other batch sizes by the law measured at a checkpoint")
      .option(
        "--at <batch-size>",
        "with --measure: carry it to this batch size (repeatable)",
        list(positive),
        [],
      )
      .option("--workers <n>", "runs at the same time", positiveInteger)
      .option("--threads <n>", "threads of one operator in each run", positiveInteger)
      .addOption(deviceOption())
      .option("--resume [sweep]", "go on with a tuning (by default the latest), with --minutes for longer")
      .option("--dry-run", "print what would be run, and stop; nothing is kept")
      .option("--name <name>", "name of the runs")
      .option("--json", "print the answer as one line of JSON; progress goes to standard error")
      .option(...homeOption)
      .action(async (config, flags) => {
        const { tuneCommand } = await import("../tuneCommand.ts");
        done(await tuneCommand(config, flags));
      });
  },
});
