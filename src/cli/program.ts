import { Command, CommanderError, InvalidArgumentError } from "commander";
import { RotorError } from "../errors.ts";
import { version } from "../train/index.ts";
import { compareTwoRuns, deleteRuns, listRuns, showRun } from "./runsCommand.ts";
import { sampleCommand } from "./sampleCommand.ts";
import { trainCommand } from "./trainCommand.ts";

const exitFailure = 1;
const exitUsage = 2;

function numberOption(what: string, check: (value: number) => boolean) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !check(value)) throw new InvalidArgumentError(`expected ${what}.`);
    return value;
  };
}

const positiveInteger = numberOption("a positive integer", (n) => Number.isInteger(n) && n > 0);
const integer = numberOption("an integer", Number.isInteger);
const finite = numberOption("a number", Number.isFinite);
const positive = numberOption("a positive number", (n) => n > 0 && Number.isFinite(n));
const notNegative = numberOption("a number ≥ 0", (n) => n >= 0 && Number.isFinite(n));
const probability = numberOption("a number between 0 and 1", (n) => n > 0 && n < 1);
const collectPositive = (text: string, previous: readonly number[]) => [...previous, positive(text)];
const collect = (value: string, previous: readonly string[]) => [...previous, value];

const list =
  <T>(one: (text: string) => T) =>
  (text: string, previous: readonly T[] = []): T[] => [...previous, ...text.split(",").map(one)];
const checkpointChoice = (text: string) => {
  if (text === "best" || text === "latest") return text;
  const step = Number(text);
  if (text.trim() === "" || !Number.isInteger(step) || step < 0)
    throw new InvalidArgumentError("expected a step, best or latest.");
  return step;
};

/** Builds the command; `done` receives the exit code of what was run. */
function buildProgram(done: (code: number) => void): Command {
  const program = new Command("rotor")
    .description("Train transformers in TypeScript at native speed, and know which learning rate to use.")
    .version(version)
    .option("--debug", "print the stack trace of an error");
  const homeOption = [
    "--home <folder>",
    "folder of runs, checkpoints and caches",
    process.env.ROTOR_HOME || ".rotor",
  ] as const;

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
    .option("--resume [run]", "continue a run (by default the latest) from its newest checkpoint")
    .option("--dry-run", "print the resolved configuration, sizes and time per step, and stop")
    .option("--name <name>", "name of the run")
    .option(
      "--noise-scale [every]",
      "log the gradient noise scale every so many steps (by default 10)",
      positiveInteger,
    )
    .option("--json", "print the result as one line of JSON; progress goes to standard error")
    .option(...homeOption)
    .action(async (config, flags) => done(await trainCommand(config, flags)));

  program
    .command("sample")
    .description("generate text, or images from codes, with a trained model")
    .argument("<run>", "id, beginning of an id, name, or latest")
    .option("--prompt <text>", 'text to continue (by default "The ")')
    .option("--tokens <n>", "number of tokens (by default 128)", positiveInteger)
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
    .option("--seed <n>", "random seed", integer, 0)
    .option("--checkpoint <step>", "use the checkpoint of this step", integer)
    .option(...homeOption)
    .action(async (run, flags) => done(await sampleCommand(run, flags)));

  program
    .command("encode")
    .description("turn images into codes with the autoencoder of a run")
    .argument("<run>", "id, beginning of an id, name, or latest")
    .argument("<images...>", "PNG and JPEG files, and folders of them")
    .requiredOption("-o, --out <file>", "the file of codes to write")
    .option("--fit <how>", "for images of other sizes than the model's: crop, cover or patches", "exact")
    .option("--grid <file>", "write some originals and their reconstructions as a PNG file")
    .option("--checkpoint <step>", "use the checkpoint of this step", integer)
    .option("--json", "print the result as one line of JSON")
    .option(...homeOption)
    .action(async (run, images, flags) => {
      const { encodeCommand } = await import("./encodeCommand.ts");
      done(await encodeCommand(run, images, flags));
    });

  program
    .command("decode")
    .description("turn a file of codes back into images")
    .argument("<run>", "the run whose autoencoder made the codes")
    .argument("<codes>", "a file that rotor encode wrote")
    .requiredOption("-o, --out <folder>", "folder for the PNG files")
    .option("--checkpoint <step>", "use the checkpoint of this step", integer)
    .option(...homeOption)
    .action(async (run, codes, flags) => {
      const { decodeCommand } = await import("./decodeCommand.ts");
      done(await decodeCommand(run, codes, flags));
    });

  program
    .command("codebook")
    .description("show how the codes of a run are used on its images")
    .argument("<run>", "id, beginning of an id, name, or latest")
    .option("--part <name>", "validation or train", "validation")
    .option("--svg <file>", "draw hits against rank")
    .option("--checkpoint <step>", "use the checkpoint of this step", integer)
    .option("--json", "print one line of JSON")
    .option(...homeOption)
    .action(async (run, flags) => {
      const { codebookCommand } = await import("./codebookCommand.ts");
      done(await codebookCommand(run, flags));
    });

  program
    .command("coefficients")
    .description("find Newton–Schulz coefficients for Gaussian matrices, or for the momentum of a run")
    .option("--rows <n>", "rows of the matrices", positiveInteger)
    .option("--cols <n>", "columns of the matrices", positiveInteger)
    .option("--steps <n>", "Newton–Schulz steps", positiveInteger, 5)
    .option("--schedule", "also find a triple of its own for each step")
    .option("--bounded", "keep singular values beyond those of the matrices, up to 1, from diverging")
    .option("--samples <n>", "number of matrices (by default some 8192 singular values)", positiveInteger)
    .option("--seed <n>", "seed of the first matrix (by default 1)", positiveInteger)
    .option("--run <run>", "use the momentum matrices of a run trained with Muon")
    .option("--shape <rows>x<cols>", "only the run's matrices of this shape")
    .option("--checkpoint <step>", "use the run's checkpoint of this step", integer)
    .option("--out <file>", "write the table as JSON for optimizer.coefficients")
    .option("--json", "print the result as one line of JSON")
    .option(...homeOption)
    .action(async (flags) => {
      const { coefficientsCommand } = await import("./coefficientsCommand.ts");
      done(coefficientsCommand(flags));
    });

  program
    .command("experiment")
    .description("put a claim to the test and write a report; without a name, list the experiments")
    .argument("[name]")
    .option("--quick", "a small version that takes seconds and proves nothing")
    .option("--out <folder>", "where the report goes", "experiments")
    .option("--threads <n>", "threads of one operator", positiveInteger)
    .option("--json", "print the report as JSON")
    .action(async (name, flags) => {
      // Loaded only here: the plots' library would slow every command down.
      const { experimentCommand } = await import("./experimentCommand.ts");
      done(await experimentCommand(name, flags));
    });

  program
    .command("fit")
    .description("read a sweep's results: the best learning rate at each batch size, and at others")
    .argument(
      "[results.csv]",
      "one row per run, as W&B, MLflow, TensorBoard or Optuna export it, or your own",
    )
    .option("--sweep <sweep>", "read the results of a sweep: id, beginning of an id, name, or latest")
    .option("--at <batch-size>", "predict at this batch size (repeatable)", collectPositive, [])
    .option("--epsilon <value>", "predict at this epsilon of Adam", notNegative)
    .option("--confidence <p>", "probability of the intervals", probability, 0.9)
    .option("--lr <column>", "column of the learning rate; those below likewise, where they aren't found")
    .option("--batch <column>", "batch size")
    .option("--loss <column>", "loss")
    .option("--epsilon-column <column>", "epsilon")
    .option("--steps-column <column>", "steps")
    .option("--tokens-column <column>", "tokens")
    .option("--seed-column <column>", "seed")
    .option("--weight-decay-column <column>", "weight decay")
    .option("--where <column=value>", "use only rows with this value (repeatable)", collect, [])
    .option("--html <file>", "write a page with interactive plots that needs nothing else")
    .option("--svg <file>", "write the plot of the best learning rate")
    .option("--json", "print JSON; null is an interval's open end")
    .option(...homeOption)
    .action(async (file, flags) => {
      // Loaded only here: the plots' library would slow every command down.
      const { fitCommand } = await import("./fitCommand.ts");
      done(await fitCommand(file, flags));
    });

  const sweep = program.command("sweep").description("train a configuration many times and fit the results");
  const sharedOption = [
    "--shared <place>",
    "folder or s3://bucket/prefix that all machines reach, for checkpoints",
    process.env.ROTOR_SHARED,
  ] as const;
  sweep
    .command("run", { isDefault: true })
    .description("run a sweep, or go on with one (the default)")
    .argument("[file]", "a sweep file in YAML")
    .option("--set <path=value>", "override one option of the base configuration (repeatable)", collect, [])
    .option("--workers <n>", "trials that run at the same time", positiveInteger)
    .option("--threads <n>", "threads of one operator in each trial", positiveInteger)
    .option("--resume [sweep]", "go on with a sweep (by default the latest); failed trials are tried again")
    .option("--dry-run", "print the trials and the time that they will take, and stop")
    .option("--name <name>", "name of the sweep")
    .option(...sharedOption)
    .option(...homeOption)
    .action(async (file, flags) => {
      const { sweepCommand } = await import("./sweepCommand.ts");
      done(await sweepCommand(file, flags));
    });
  sweep
    .command("list")
    .description("list all sweeps, newest first")
    .option("--json", "print JSON")
    .option(...homeOption)
    .action(async (flags) => {
      const { listSweeps } = await import("./sweepsCommand.ts");
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
      const { showSweep } = await import("./sweepsCommand.ts");
      done(await showSweep(reference, flags));
    });
  sweep
    .command("export")
    .description("write the results of a sweep as CSV")
    .argument("[sweep]", "id, beginning of an id, name, or latest", "latest")
    .option("--csv <file>", "write the results here instead of printing them")
    .option(...homeOption)
    .action(async (reference, flags) => {
      const { exportSweep } = await import("./sweepsCommand.ts");
      done(await exportSweep(reference, flags));
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
      const { deleteSweeps } = await import("./sweepsCommand.ts");
      done(await deleteSweeps(references, flags));
    });

  program
    .command("worker")
    .description("run trials of sweeps that were begun here or, with ROTOR_DATABASE_URL, on any machine")
    .option("--once", "end when no trial waits, instead of waiting for more")
    .option("--workers <n>", "trials that run at the same time", positiveInteger, 1)
    .option(
      "--threads <n>",
      "threads of one operator in each trial (by default the cores, divided)",
      positiveInteger,
    )
    .option("--sweep <sweep>", "only trials of this sweep")
    .option(...sharedOption)
    .option(...homeOption)
    .action(async (flags) => {
      const { workerCommand } = await import("./workerCommand.ts");
      done(await workerCommand(flags));
    });

  program
    .command("measure")
    .description("measure at checkpoints of a run which learning rate is best, for every batch size")
    .argument("<run>", "id, beginning of an id, name, or latest")
    .option(
      "--checkpoint <step|best|latest>",
      "which checkpoints (repeatable, or with commas between; by default the latest)",
      list(checkpointChoice),
      [],
    )
    .option(
      "--batch-sizes <list>",
      "measure updates of these batch sizes, in sequences (by default over four decades)",
      list(positive),
    )
    .option("--at <batch-size>", "add the prediction at this batch size (repeatable)", list(positive), [])
    .option("--samples <n>", "sequences whose gradients are taken (by default 256 or more)", positiveInteger)
    .option("--probes <n>", "Hessian-vector products per quantity (by default 8)", positiveInteger)
    .option(
      "--second-moment <kind>",
      "Adam's: rescaled to each batch size, or as stored in the checkpoint (by default rescaled)",
    )
    .option("--confidence <p>", "probability of the intervals", probability, 0.9)
    .option("--seed <n>", "chooses the sequences and the random signs", integer, 0)
    .option("--threads <n>", "threads of one operator", positiveInteger)
    .option("--html <file>", "write a page with interactive plots that needs nothing else")
    .option("--svg <file>", "write the plot of the best learning rate")
    .option("--json", "print JSON; null is an interval's open end")
    .option(...homeOption)
    .action(async (run, flags) => {
      const { measureCommand } = await import("./measureCommand.ts");
      done(await measureCommand(run, flags));
    });

  const runs = program.command("runs").description("list, show, compare and delete runs");
  runs
    .command("list", { isDefault: true })
    .option("--json", "print JSON")
    .option(...homeOption)
    .action((flags) => done(listRuns(flags)));
  runs
    .command("show")
    .argument("<run>")
    .option("--json", "print JSON")
    .option(...homeOption)
    .action((run, flags) => done(showRun(run, flags)));
  runs
    .command("compare")
    .argument("<runs...>")
    .option(
      "--identical",
      "prove that the runs are equal bit by bit; exit 1 with the first difference otherwise",
    )
    .option(...homeOption)
    .action((names, flags) => done(compareTwoRuns(names, flags)));
  runs
    .command("delete")
    .argument("<runs...>")
    .option(...homeOption)
    .action((names, flags) => done(deleteRuns(names, flags)));

  program
    .command("positions")
    .description("show where a layout puts the tokens of a document of text, images and videos")
    .argument("[document]", 'for example "text:5 image:4x6 text:3 video:2x3x3@0.5"')
    .option("--layout <name>", "position rule", "tie-v2")
    .option("--compare <names>", "other layouts, with commas between")
    .option("--delta <step>", "step of visual tokens in v2pe, in (0, 1] (default 1/16)", finite)
    .option(
      "--tokens-per-second <count>",
      "positions per second of video in mrope-seconds (default 2)",
      finite,
    )
    .option(
      "--spatial-merge <size>",
      "sides of images and videos are those of patches, so many of which make a token's side",
      positiveInteger,
    )
    .option("--svg <file>", "draw a picture as well")
    .option("--json", "print one line of JSON")
    .option("--conformance <folder>", "write test vectors for other implementations, and stop")
    .action(async (document, flags) => {
      const { positionsCommand } = await import("./positionsCommand.ts");
      done(await positionsCommand(document, flags));
    });

  const quiet = (command: Command) => {
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(`rotor: ${text.replace(/^error: /, "")}`),
    });
    for (const child of command.commands) quiet(child);
  };
  quiet(program);
  return program;
}

/** What happens when output can't be written. */
function endOnce(): (error: NodeJS.ErrnoException) => void {
  let isEnding = false;
  return ({ code, message }) => {
    if (isEnding) return;
    isEnding = true;
    // A reader that closes the pipe (as `| head` does) is no error; what must be kept, such as a run in training, is saved first.
    if (code === "EPIPE") {
      if (process.listenerCount("SIGTERM") > 0) process.emit("SIGTERM");
      else process.exit(0);
      return;
    }
    process.stderr.write(`rotor: output: ${message}\n`);
    process.exit(exitFailure);
  };
}

/**
 * Runs the command.
 *
 * @returns the exit code: 0, 1 for an error, 2 for wrong usage, 130 after Ctrl-C
 */
export async function runCommand(args: readonly string[]): Promise<number> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", endOnce());
  let code = 0;
  const program = buildProgram((result) => {
    code = result;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitUsage;
    const debug = args.includes("--debug");
    const message = error instanceof Error ? error.message : String(error);
    const text = debug && error instanceof Error ? error.stack : `rotor: ${message.split("\n")[0]}`;
    const hint = error instanceof RotorError || debug ? "" : " (run with --debug for the stack trace)";
    process.stderr.write(`${text}${hint}\n`);
    return exitFailure;
  }
}
