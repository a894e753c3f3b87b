import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { collect, deviceOption, portNumber, positiveInteger } from "../optionTypes.ts";

export const trainRow = commandRow({
  example: "rotor train tiny",
  declare(program, { done, homeOption }) {
    program
      .command("train")
      .description(
        "train a model: a preset (tiny, small, medium, gpt2-small, vq-mnist, vq-photographs, codes-mnist) or a configuration file",
      )
      .argument("[config]", "preset, or a .yaml, .json, .ts or .js file")
      .option(
        "--set <path=value>",
        "override one option, e.g. --set training.steps=100 (repeatable)",
        collect,
        [],
      )
      .option(
        "--from <model>",
        "begin with a model: a folder of Hugging Face's format, a run, or run@step; without a configuration, with those of docs/finetuning.md",
      )
      .option(
        "--lora [rank]",
        "with --from: train low-rank changes (by default of rank 8) and freeze the model; options are lora.*",
        positiveInteger,
      )
      .option("--adapter <folder>", "with --from: LoRA that begins with an adapter of PEFT's")
      .option(
        "--continue <run>",
        "go on with a run's checkpoint (run, or run@step) for more steps, as a new run",
      )
      .addOption(new Option("--steps <n>", "with --continue: how many").argParser(positiveInteger))
      .addOption(
        new Option(
          "--decay [shape]",
          "with --continue: let the learning rate fall to 0 (by default linearly); without, it stays",
        )
          .choices(["linear", "sqrt", "cosine"])
          .preset("linear"),
      )
      .option("--task <module>", "with --resume or --continue, the file of a task of your own")
      .option("--resume [run]", "continue a run (by default the latest) from its newest checkpoint")
      .option("--dry-run", "print the resolved configuration and sizes, and stop; nothing is made")
      .option("--timed", "with --dry-run: also make the model and time three steps")
      .option("--name <name>", "name of the run")
      .option(
        "--noise-scale [every]",
        "log the gradient noise scale every so many steps (by default 40)",
        positiveInteger,
      )
      .option("--ui [port]", "serve the page of rotor ui meanwhile (at port 7860, or another)", portNumber)
      .option("--json", "print the result as one line of JSON; progress goes to standard error")
      .addOption(deviceOption())
      .option(...homeOption)
      .action(async (config, flags) => {
        const { trainCommand } = await import("../trainCommand.ts");
        done(await trainCommand(config, flags));
      });
  },
});
