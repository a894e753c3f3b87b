import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { collect, deviceOption, list, positiveInteger } from "../optionTypes.ts";

export const coordinatesRow = commandRow({
  example: "rotor coordinates tiny --set model.parametrization=spectral --widths 64,128,256",
  declare(program, { done, homeOption }) {
    program
      .command("coordinates")
      .description(
        "check at several widths, by a few steps, that activations and updates stay of one size; exit code 1 if they don't",
      )
      .argument("<config>", "preset or configuration file of a language model")
      .option("--set <path=value>", "override one option (repeatable)", collect, [])
      .option(
        "--widths <list>",
        "values of model.modelDim (by default 1, 2 and 4 times the configuration's)",
        list(positiveInteger),
      )
      .addOption(
        new Option(
          "--grow <what>",
          "what grows with the width: the number of heads or their size (by default heads)",
        ).choices(["heads", "head-size"]),
      )
      .option("--steps <n>", "steps at the constant learning rate (by default 5)", positiveInteger)
      .option("--seeds <n>", "models of each width (by default 2)", positiveInteger)
      .option("--threads <n>", "threads of one operator", positiveInteger)
      .addOption(deviceOption())
      .option("--svg <file>", "write the plot of what moves, by width")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (config, flags) => {
        const { coordinatesCommand } = await import("../coordinatesCommand.ts");
        done(await coordinatesCommand(config, flags));
      });
  },
});
