import { commandRow } from "../commandRow.ts";
import {
  checkpointChoice,
  deviceOption,
  list,
  positive,
  positiveInteger,
  probability,
  seedOption,
} from "../optionTypes.ts";

export const measureRow = commandRow({
  example: "rotor measure latest",
  declare(program, { done, homeOption }) {
    program
      .command("measure")
      .description(
        "measure at checkpoints of a run which learning rate is best, for every batch size; the page shows it",
      )
      .argument("<run>", "id, beginning of an id, name, or latest")
      .option(
        "--checkpoint <step|best|latest>",
        "which checkpoints (repeatable, or with commas between; by default the latest)",
        list(checkpointChoice),
        [],
      )
      .option(
        "--batch-sizes <list>",
        "measure updates of these batch sizes, in sequences (by default over four decades)",
        list(positive),
      )
      .option("--at <batch-size>", "add the prediction at this batch size (repeatable)", list(positive), [])
      .option(
        "--samples <n>",
        "sequences whose gradients are taken (by default 256 or more)",
        positiveInteger,
      )
      .option("--probes <n>", "Hessian-vector products per quantity (by default 8)", positiveInteger)
      .option(
        "--second-moment <kind>",
        "Adam's: rescaled to each batch size, or as stored in the checkpoint (by default rescaled)",
      )
      .option("--task <module>", "the file of a task of your own, for its runs")
      .option("--confidence <p>", "probability of the intervals", probability, 0.9)
      .option("--seed <n>", "chooses the sequences and the random signs", seedOption, 0)
      .option("--threads <n>", "threads of one operator", positiveInteger)
      .addOption(deviceOption())
      .option("--html <file>", "write a page with interactive plots that needs nothing else")
      .option("--svg <file>", "write the plot of the best learning rate")
      .option("--json", "print JSON; null is an interval's open end")
      .option(...homeOption)
      .action(async (run, flags) => {
        const { measureCommand } = await import("../measureCommand.ts");
        done(await measureCommand(run, flags));
      });
  },
});
