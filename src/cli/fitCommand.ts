import { availableParallelism } from "node:os";
import { writeOutput } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import {
  type FitGroupsOptions,
  fitSweep,
  groupOptions,
  readSweep,
  type SweepTable,
  studyGroups,
} from "../scaling/index.ts";
import { fitInThreads } from "./fitInThreads.ts";
import { groupsJson, sweepJson } from "./fitJson.ts";
import { parsePlace } from "./fitPlace.ts";
import { groupsReport, lawPlot, sweepReport } from "./fitReport.ts";
import { type FitQuestion, fitSource, groupsQuestion } from "./fitSource.ts";
import { groupsText, sweepText } from "./fitText.ts";
import { out } from "./print.ts";
import { explanationText, readSweepInput, type SweepInputFlags } from "./sweepInput.ts";

export interface FitFlags extends SweepInputFlags, FitQuestion {
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
}

/** Fewer groups aren't worth a thread's start. */
const groupsPerThread = 8;

/** The fits of many groups, made in several threads; undefined for few. */
async function threadsFit(source: SweepTable, flags: FitFlags): Promise<FitGroupsOptions["fit"]> {
  // A page's curves come from the fit itself, which a thread can't hand over.
  if (source.by.length === 0 || flags.html !== undefined) return undefined;
  const groups = studyGroups(source.rows, source.by);
  const threads = Math.min(availableParallelism(), Math.floor(groups.length / groupsPerThread));
  return threads < 2
    ? undefined
    : await fitInThreads(groups, groupOptions(groupsQuestion(source, flags)), threads);
}

/**
 * What a sweep's results say, as `rotor fit` prints it.
 *
 * @throws DataError if they don't suffice
 */
export function fitAnswer(csv: string): string {
  const source = readSweep(csv);
  return sweepText(fitSweep(source.runs), source);
}

/**
 * Reads a sweep's results and prints the best learning rate at each batch size, the laws that fit, and what they say at others; with
 * `--by`, one fit a group and one law of all. Writes reports if asked.
 *
 * @throws DataError if the file can't be read or used; ConfigError for an impossible option
 */
export async function fitCommand(files: readonly string[], flags: FitFlags): Promise<number> {
  const by = flags.by ?? [];
  // Before anything is read: a place that can't be meant is a wrong call.
  for (const text of flags.at) parsePlace(text, by);
  const source = await readSweepInput(files, flags, by);
  const name = files.length > 0 ? files.join(", ") : `sweep ${flags.sweep}`;
  // Before the fit: where it fails, this says why.
  if (flags.explain === true && flags.json !== true) out(`${explanationText(source)}\n`);
  const isReady = source.optima.length > 0 || source.stepsToTarget.length > 0;
  if (isReady && (flags.html !== undefined || flags.svg !== undefined))
    throw new ConfigError("--html, --svg: a table without runs has nothing to draw");
  if (by.length > 0 && flags.svg !== undefined)
    throw new ConfigError("--svg: draws one sweep; with --by, --html draws each group");
  const result = fitSource(source, name, flags, await threadsFit(source, flags));
  if (result.kind === "ready") {
    out(flags.json === true ? JSON.stringify(result.ready.json) : result.ready.text);
    return 0;
  }
  if (result.kind === "sweep") {
    const text = sweepText(result.fit, source);
    if (flags.html !== undefined) writeOutput(flags.html, sweepReport(result.fit, source, name, text));
    if (flags.svg !== undefined) {
      // Only here: with the experiments comes all that trains.
      const { renderPlot } = await import("../experiments/index.ts");
      writeOutput(flags.svg, renderPlot(lawPlot(result.fit)));
    }
    out(flags.json === true ? sweepJson(result.fit, source, flags.explain === true) : text);
  } else {
    const text = groupsText(result.fit, source);
    if (flags.html !== undefined) writeOutput(flags.html, groupsReport(result.fit, name, text));
    out(flags.json === true ? groupsJson(result.fit, source, flags.explain === true) : text);
  }
  if (flags.json === true) return 0;
  if (flags.html !== undefined) out(`\nreport: ${flags.html}`);
  if (flags.svg !== undefined) out(`\npicture: ${flags.svg}`);
  return 0;
}
