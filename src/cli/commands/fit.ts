import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { collect, list, notNegative, probability } from "../optionTypes.ts";

export const fitRow = commandRow({
  example: "rotor fit results.csv --at 512",
  declare(program, { done, homeOption }) {
    program
      .command("fit")
      .description("read a sweep's results: the best learning rate at each batch size, and at others")
      .argument("[results...]", "tables of runs, exports and stores of trackers, or folders of them")
      .option("--sweep <sweep>", "read the results of a sweep: id, beginning of an id, name, or latest")
      .option(
        "--at <place>",
        "predict at this batch size, with --by also at groups: N=1e9,D=2e10,batch=512 (repeatable)",
        collect,
        [],
      )
      .option("--by <columns>", "one fit for each of their values, and one law of all: N,D", list(String))
      .option("--epsilon <value>", "predict at this epsilon of Adam", notNegative)
      .option("--confidence <p>", "probability of the intervals", probability, 0.9)
      .option(
        "--lr <column>",
        "column of the learning rate, a formula of columns, or none; those below likewise, where they aren't found",
      )
      .option("--batch <column>", "batch size")
      .option("--loss <column>", "loss, or another metric")
      .option("--epsilon-column <column>", "epsilon")
      .option("--steps-column <column>", "steps")
      .option("--tokens-column <column>", "tokens")
      .option("--seed-column <column>", "seed")
      .option("--weight-decay-column <column>", "weight decay")
      .option("--error-column <column>", "standard error of the loss")
      .option(
        "--where <condition>",
        "use only rows that meet it: optimizer=adamw, seed!=3, params=1e6..1e8, lr>=1e-4 (repeatable)",
        collect,
        [],
      )
      .option("--maximize", "larger is better")
      .option("--minimize", "smaller is better")
      .option("--finished <words>", "also runs with these words as their status have finished", list(String))
      .addOption(
        new Option("--history <which>", "which row counts where runs have several (by default last)").choices(
          ["last", "best", "mean", "rows"],
        ),
      )
      .option("--run <column>", "column that tells runs apart, where they have several rows")
      .addOption(
        new Option("--decimal <sign>", "the decimal sign, where numbers leave it open").choices([".", ","]),
      )
      .option("--explain", "say what each column was taken for and where each row went")
      .option("--html <file>", "write a page with interactive plots that needs nothing else")
      .option("--svg <file>", "write the plot of the best learning rate")
      .option("--json", "print JSON; null is an interval's open end")
      .option(...homeOption)
      .action(async (files, flags) => {
        // Loaded only here: the plots' library would slow every command down.
        const { fitCommand } = await import("../fitCommand.ts");
        done(await fitCommand(files, flags));
      });
  },
});
