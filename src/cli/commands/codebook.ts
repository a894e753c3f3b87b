import { commandRow } from "../commandRow.ts";
import { deviceOption, integer } from "../optionTypes.ts";

export const codebookRow = commandRow({
  example: "rotor codebook latest",
  declare(program, { done, homeOption }) {
    program
      .command("codebook")
      .description("show how the codes of a run are used on its images")
      .argument("<run>", "id, beginning of an id, name, or latest")
      .option("--part <name>", "validation or train", "validation")
      .option("--svg <file>", "draw hits against rank")
      .option("--checkpoint <step>", "use the checkpoint of this step", integer)
      .option("--json", "print one line of JSON")
      .addOption(deviceOption())
      .option(...homeOption)
      .action(async (run, flags) => {
        const { codebookCommand } = await import("../codebookCommand.ts");
        done(await codebookCommand(run, flags));
      });
  },
});
