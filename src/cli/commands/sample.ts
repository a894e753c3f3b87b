import { commandRow } from "../commandRow.ts";
import { deviceOption, finite, integer, positiveInteger, seedOption } from "../optionTypes.ts";

export const sampleRow = commandRow({
  example: 'rotor sample latest --prompt "Call me"',
  declare(program, { done, homeOption }) {
    program
      .command("sample")
      .description("generate text, or images from codes, with a trained model")
      .argument("<run>", "id, beginning of an id, name, or latest")
      .option("--prompt <text>", 'text to continue (by default "The ")')
      .option("--chat", "the prompt is what a user says: answer it by the model's chat template")
      .option("--system <text>", "with --chat: what stands before the conversation")
      .option("--tokens <n>", "number of tokens (by default 128)", positiveInteger)
      .option("--raw", "print the text as it is, with characters that a terminal obeys")
      .option("--images <n>", "number of images (by default 40)", positiveInteger)
      .option("--class <n>", "draw only images of this class, where the model knows classes", integer)
      .option("-o, --out <file>", "PNG file for the images (by default samples.png)")
      .option(
        "--temperature <t>",
        "0 takes the likeliest token (by default 0.8 for text, 1 for images)",
        finite,
      )
      .option("--top-k <n>", "keep only the n likeliest tokens", positiveInteger)
      .option("--top-p <p>", "keep the likeliest tokens of total probability p", finite)
      .option("--seed <n>", "random seed", seedOption, 0)
      .option("--checkpoint <step>", "use the checkpoint of this step", integer)
      .addOption(deviceOption())
      .option(...homeOption)
      .action(async (run, flags) => {
        const { sampleCommand } = await import("../sampleCommand.ts");
        done(await sampleCommand(run, flags));
      });
  },
});
