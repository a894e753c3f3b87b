import { commandRow } from "../commandRow.ts";
import { finite, positiveInteger } from "../optionTypes.ts";

export const positionsRow = commandRow({
  example: 'rotor positions "text:5 image:4x6 text:3"',
  declare(program, { done }) {
    program
      .command("positions")
      .description(
        "show where a layout, or a published model, puts the tokens of a document of text, images and videos",
      )
      .argument("[document]", 'for example "text:5 image:4x6 text:3 video:2x3x3@0.5"')
      .option("--layout <name>", "position rule (default tie-v2, or none with --model)")
      .option("--compare <names>", "other layouts, with commas between")
      .option(
        "--model <names>",
        "models as Transformers calls them, with commas between: sides are those of patches then, merged as each does",
      )
      .option("--models", "list the models that there are rows of, and stop")
      .option("--made <count>", "tokens that the models make after the document", positiveInteger)
      .option("--made-images <sizes>", "images to be made, height x width with commas between (glm_image)")
      .option("--delta <step>", "step of visual tokens in v2pe, in (0, 1] (default 1/16)", finite)
      .option(
        "--tokens-per-second <count>",
        "positions per second of video in mrope-seconds (default 2), or of a model that counts seconds",
        finite,
      )
      .option(
        "--spatial-merge <size>",
        "sides of images and videos are those of patches, so many of which make a token's side",
        positiveInteger,
      )
      .option("--max-tokens <n>", "tokens of a document at most (by default 1000000)", positiveInteger)
      .option("--svg <file>", "draw a picture as well")
      .option("--json", "print one line of JSON")
      .option("--conformance <folder>", "write test vectors for other implementations, and stop")
      .action(async (document, flags) => {
        const { positionsCommand } = await import("../positionsCommand.ts");
        done(await positionsCommand(document, flags));
      });
  },
});
