import type { CheckpointChoice } from "../checkpoint/index.ts";
import {
  type Exported,
  exportGguf,
  exportHuggingFace,
  exportOnnx,
  exportPeft,
  ggufTypes,
  importModelFile,
  importRun,
  weightTypes,
} from "../exchange/index.ts";
import { countParameters } from "../nn/index.ts";
import type { RunRecord } from "../runs/index.ts";
import { commandLine } from "./commandLine.ts";
import { compactNumber } from "./format.ts";
import { out, warn } from "./print.ts";
import { style } from "./style.ts";
import { UsageError } from "./usageError.ts";

export interface ImportFlags {
  readonly name?: string;
  readonly adapter?: string;
  readonly optimizer?: string;
  readonly json?: boolean;
  readonly home: string;
}

/** `rotor import`: a run of a model of Hugging Face's format, or of a file that a page exported. */
export async function importCommand(place: string, flags: ImportFlags): Promise<number> {
  for (const name of ["adapter", "optimizer"] as const)
    if (flags[name] !== undefined && place.endsWith(".safetensors"))
      throw new UsageError(`--${name} ${flags[name]}: is of a model of Hugging Face's format, a folder`);
  return place.endsWith(".safetensors") ? await importFile(place, flags) : importFolder(place, flags);
}

async function importFile(file: string, { name, json = false, home }: ImportFlags): Promise<number> {
  const { run, model, tokenizer, step } = await importModelFile(file, {
    home,
    ...(name === undefined ? {} : { name }),
  });
  const { total } = countParameters(model);
  if (json) {
    const { vocabSize, endOfText } = tokenizer;
    out(
      JSON.stringify({
        run: { id: run.id, name: run.name, directory: run.directory },
        model,
        parameters: total,
        tokenizer: { id: tokenizer.id, vocabSize, endOfText },
        step,
      }),
    );
    return 0;
  }
  out(`${run.name}: ${compactNumber(total)} parameters (${total}), trained for ${step} steps`);
  return sayRun(run);
}

function sayRun(run: RunRecord): number {
  out(`run ${run.id} in ${run.directory}`);
  out(style.dim(`sample with: ${commandLine(`sample ${run.id} --prompt "..."`)}`));
  return 0;
}

function importFolder(folder: string, { name, adapter, optimizer, json = false, home }: ImportFlags): number {
  const { run, imported, step } = importRun(folder, {
    home,
    ...(name === undefined ? {} : { name }),
    ...(adapter === undefined ? {} : { adapter }),
    ...(optimizer === undefined ? {} : { optimizer }),
  });
  const { architecture, model, tokenizer, notes } = imported;
  for (const note of notes) warn(note);
  const { total } = countParameters(model);
  if (json) {
    const { modelType } = architecture;
    const { vocabSize, endOfText } = tokenizer;
    out(
      JSON.stringify({
        run: { id: run.id, name: run.name, directory: run.directory },
        architecture: modelType,
        model,
        parameters: total,
        tokenizer: { id: tokenizer.id, vocabSize, endOfText },
        step,
        notes,
      }),
    );
    return 0;
  }
  out(`${architecture.modelType}: ${compactNumber(total)} parameters (${total}), ${tokenizer.vocabSize} ids`);
  if (step === 0) return sayRun(run);
  out(`run ${run.id} in ${run.directory}, with the optimizer's state after ${step} steps`);
  const sets = ["data.source=...", "training.batchSize=...", "training.length=..."].map(
    (own) => `--set ${own}`,
  );
  out(style.dim(`go on with: ${commandLine(`train --continue ${run.id} --steps ... ${sets.join(" ")}`)}`));
  return 0;
}

export interface ExportFlags {
  readonly to: "huggingface" | "peft" | "gguf" | "onnx";
  readonly dtype?: string;
  readonly shardGb?: number;
  readonly optimizer?: boolean;
  readonly out: string;
  readonly checkpoint?: CheckpointChoice;
  readonly json?: boolean;
  readonly home: string;
}

type Exporter = (
  reference: string,
  flags: ExportFlags & { readonly warn: (message: string) => void },
) => Promise<Exported>;

/** @throws UsageError unless the element type is one of the format's */
function chosenType<T extends string>({ to, dtype }: ExportFlags, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === (dtype ?? "float32"));
  if (found === undefined) throw new UsageError(`--dtype ${dtype}: ${to} has ${allowed.join(", ")}`);
  return found;
}

/** @throws UsageError if a size of shards is given to a format that has none */
function refuseShards({ to, shardGb }: ExportFlags): void {
  if (shardGb !== undefined) throw new UsageError(`--shard-gb ${shardGb}: ${to} has one file`);
}

/** @throws UsageError unless all of a training goes out, in the type that it is done in */
function checkOptimizer({ to, optimizer = false, dtype = "float32" }: ExportFlags): void {
  if (optimizer && to !== "huggingface")
    throw new UsageError(`--optimizer: ${to} has no place for it; expected --to huggingface`);
  if (optimizer && dtype !== "float32")
    throw new UsageError(
      `--dtype ${dtype}: beside --optimizer expected float32, as training goes on with it`,
    );
}

/** What writes each format. */
const exporters: Readonly<Record<ExportFlags["to"], Exporter>> = {
  huggingface: (reference, flags) => {
    const dtype = chosenType(flags, weightTypes);
    const shards = flags.shardGb === undefined ? {} : { shardBytes: flags.shardGb * 1e9 };
    return exportHuggingFace(reference, flags.out, { ...flags, ...shards, dtype });
  },
  peft: (reference, flags) => {
    refuseShards(flags);
    chosenType(flags, ["float32"]);
    return exportPeft(reference, flags.out, flags);
  },
  onnx: (reference, flags) => {
    refuseShards(flags);
    chosenType(flags, ["float32"]);
    return exportOnnx(reference, flags.out, flags);
  },
  gguf: (reference, flags) => {
    refuseShards(flags);
    return exportGguf(reference, flags.out, { ...flags, type: chosenType(flags, ggufTypes) });
  },
};

/** `rotor export`: a run's model for another program. */
export async function exportCommand(reference: string, flags: ExportFlags): Promise<number> {
  checkOptimizer(flags);
  const { run, step, architecture, output, notes } = await exporters[flags.to](reference, { ...flags, warn });
  for (const note of notes) warn(note);
  if (flags.json) out(JSON.stringify({ run: run.id, step, architecture, output, notes }));
  else out(`wrote ${output}: run ${run.id} at step ${step} as ${architecture}`);
  return 0;
}
