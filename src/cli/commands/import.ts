import { commandRow } from "../commandRow.ts";

export const importRow = commandRow({
  example: "rotor import models/gpt2",
  declare(program, { done, homeOption }) {
    program
      .command("import")
      .description(
        "make a run of a model: a folder of Hugging Face's format (config.json, safetensors, tokenizer.json), or a file that a page exported",
      )
      .argument("<model>", "a folder, or a file that ends in .safetensors")
      .option("--name <name>", "name of the run (by default the folder's, or the model's)")
      .option("--adapter <folder>", "of an adapter of PEFT's for the model, which the run has as LoRA")
      .option(
        "--optimizer <file>",
        "state of the model's optimizers in PyTorch, as safetensors (docs/exchange.md), for train --continue",
      )
      .option("--json", "print the result as one line of JSON")
      .option(...homeOption)
      .action(async (model, flags) => {
        const { importCommand } = await import("../exchangeCommands.ts");
        done(await importCommand(model, flags));
      });
  },
});
