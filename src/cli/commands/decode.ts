import { commandRow } from "../commandRow.ts";
import { deviceOption, integer } from "../optionTypes.ts";

export const decodeRow = commandRow({
  example: "rotor decode latest codes.rotc --out images",
  declare(program, { done, homeOption }) {
    program
      .command("decode")
      .description("turn a file of codes back into images")
      .argument("<run>", "the run whose autoencoder made the codes")
      .argument("<codes>", "a file that rotor encode wrote")
      .requiredOption("-o, --out <folder>", "folder for the PNG files")
      .option("--checkpoint <step>", "use the checkpoint of this step", integer)
      .addOption(deviceOption())
      .option(...homeOption)
      .action(async (run, codes, flags) => {
        const { decodeCommand } = await import("../decodeCommand.ts");
        done(await decodeCommand(run, codes, flags));
      });
  },
});
