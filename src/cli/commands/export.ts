import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { checkpointChoice, positive } from "../optionTypes.ts";

export const exportRow = commandRow({
  example: "rotor export latest --to huggingface -o my-model",
  declare(program, { done, homeOption }) {
    program
      .command("export")
      .description("write a run's model for another program")
      .argument("<run>", "id, beginning of an id, name, or latest")
      .addOption(
        new Option(
          "--to <format>",
          "huggingface: a folder that Transformers loads; peft: the adapter of a run with LoRA; gguf: a file that llama.cpp loads; onnx: a folder that transformers.js and onnxruntime-genai load",
        )
          .choices(["huggingface", "peft", "gguf", "onnx"])
          .makeOptionMandatory(),
      )
      .requiredOption("-o, --out <path>", "a new folder, or for gguf a new file")
      .option(
        "--dtype <type>",
        "of the weights: float32 (default), float16; bfloat16 for huggingface, q8_0 and q4_0 for gguf",
      )
      .option(
        "--shard-gb <gigabytes>",
        "size of a file of weights at most, for huggingface (default: 5)",
        positive,
      )
      .option(
        "--optimizer",
        "for huggingface: also what the optimizer remembers, for torch.optim (docs/exchange.md)",
      )
      .option("--checkpoint <step|best|latest>", "by default the latest", checkpointChoice)
      .option("--json", "print the result as one line of JSON")
      .option(...homeOption)
      .action(async (run, flags) => {
        const { exportCommand } = await import("../exchangeCommands.ts");
        done(await exportCommand(run, flags));
      });
  },
});
