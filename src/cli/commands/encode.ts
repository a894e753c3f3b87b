import { commandRow } from "../commandRow.ts";
import { deviceOption, integer } from "../optionTypes.ts";

export const encodeRow = commandRow({
  example: "rotor encode latest photographs/ --out codes.rotc",
  declare(program, { done, homeOption }) {
    program
      .command("encode")
      .description("turn images into codes with the autoencoder of a run")
      .argument("<run>", "id, beginning of an id, name, or latest")
      .argument("<images...>", "PNG and JPEG files, and folders of them")
      .requiredOption("-o, --out <file>", "the file of codes to write; safetensors if its name ends so")
      .option("--fit <how>", "for images of other sizes than the model's: crop, cover or patches", "exact")
      .option("--grid <file>", "write some originals and their reconstructions as a PNG file")
      .option("--checkpoint <step>", "use the checkpoint of this step", integer)
      .option("--json", "print the result as one line of JSON")
      .addOption(deviceOption())
      .option(...homeOption)
      .action(async (run, images, flags) => {
        const { encodeCommand } = await import("../encodeCommand.ts");
        done(await encodeCommand(run, images, flags));
      });
  },
});
