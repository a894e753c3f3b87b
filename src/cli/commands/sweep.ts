import { commandRow } from "../commandRow.ts";
import { collect, deviceOption, portNumber, positiveInteger } from "../optionTypes.ts";

export const sweepRow = commandRow({
  example: "rotor sweep sweep.yaml --workers 2",
  declare(program, { done, homeOption, sharedOption }) {
    const sweep = program
      .command("sweep")
      .description("train a configuration many times and fit the results");
    sweep
      .command("run", { isDefault: true })
      .description("run a sweep, or go on with one (the default)")
      .argument("[file]", "a sweep file in YAML")
      .option("--set <path=value>", "override one option of the base configuration (repeatable)", collect, [])
      .option("--workers <n>", "trials that run at the same time", positiveInteger)
      .option("--threads <n>", "threads of one operator in each trial", positiveInteger)
      .addOption(deviceOption())
      .option("--resume [sweep]", "go on with a sweep (by default the latest); failed trials are tried again")
      .option("--dry-run", "print the trials and the time that they will take, and stop")
      .option("--name <name>", "name of the sweep")
      .option("--ui [port]", "serve the page of rotor ui meanwhile (at port 7860, or another)", portNumber)
      .option(...sharedOption)
      .option(...homeOption)
      .action(async (file, flags) => {
        const { sweepCommand } = await import("../sweepCommand.ts");
        done(await sweepCommand(file, flags));
      });
    sweep
      .command("list")
      .description("list all sweeps, newest first")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (flags) => {
        const { listSweeps } = await import("../sweepsCommand.ts");
        done(await listSweeps(flags));
      });
    sweep
      .command("show")
      .alias("status")
      .description("show what has become of each trial of a sweep")
      .argument("[sweep]", "id, beginning of an id, name, or latest", "latest")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (reference, flags) => {
        const { showSweep } = await import("../sweepsCommand.ts");
        done(await showSweep(reference, flags));
      });
    sweep
      .command("export")
      .description("write the results of a sweep as CSV")
      .argument("[sweep]", "id, beginning of an id, name, or latest", "latest")
      .option("--csv <file>", "write the results here instead of printing them")
      .option(...homeOption)
      .action(async (reference, flags) => {
        const { exportSweep } = await import("../sweepsCommand.ts");
        done(await exportSweep(reference, flags));
      });
    sweep
      .command("rebuild")
      .description("make the store of sweeps anew from the runs of their trials on this machine")
      .option("--json", "print JSON")
      .option(...homeOption)
      .action(async (flags) => {
        const { rebuildSweepsCommand } = await import("../sweepsCommand.ts");
        done(rebuildSweepsCommand(flags));
      });
    sweep
      .command("delete")
      .description("delete sweeps, with the runs of their trials on this machine")
      .argument("<sweeps...>", "id, beginning of an id, name, or latest")
      .option("--force", "also a sweep whose trials run: their workers stop them")
      .option("--keep-runs", "keep the runs of the trials")
      .option(...sharedOption)
      .option(...homeOption)
      .action(async (references, flags) => {
        const { deleteSweeps } = await import("../sweepsCommand.ts");
        done(await deleteSweeps(references, flags));
      });
  },
});
