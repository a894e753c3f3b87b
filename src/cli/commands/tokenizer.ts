import { Option } from "commander";
import { commandRow } from "../commandRow.ts";
import { positiveInteger } from "../optionTypes.ts";

export const tokenizerRow = commandRow({
  example: 'rotor tokenizer encode latest "Call me"',
  declare(program, { done, homeOption }) {
    const tokenizer = program
      .command("tokenizer")
      .description("train, show and try tokenizers: files (tokenizer.json) and those of runs");
    tokenizer
      .command("train")
      .description("learn a byte-level BPE from texts")
      .argument("<sources...>", "files, folders and corpora, as data.source")
      .requiredOption("--size <n>", "number of ids, with 256 bytes and the end of a text", positiveInteger)
      .requiredOption("-o, --out <file>", "the tokenizer.json to write")
      .addOption(new Option("--format <format>", "of the files").choices(["text", "jsonl", "csv", "parquet"]))
      .option("--field <name>", "field or column of the text in JSONL, CSV and Parquet (by default text)")
      .option("--subset <name>", "of a data set whose card names several")
      .option("--split <name>", "of a data set with splits (by default train)")
      .action(async (sources, flags) => {
        done(await (await import("../tokenizerCommand.ts")).trainTokenizerCommand(sources, flags));
      });
    tokenizer
      .command("show")
      .argument("<tokenizer>", "a tokenizer.json, or a run")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (reference, flags) => {
        done((await import("../tokenizerCommand.ts")).showTokenizer(reference, flags));
      });
    tokenizer
      .command("encode")
      .argument("<tokenizer>", "a tokenizer.json, or a run")
      .argument("<text>")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (reference, text, flags) => {
        done((await import("../tokenizerCommand.ts")).encodeText(reference, text, flags));
      });
  },
});
