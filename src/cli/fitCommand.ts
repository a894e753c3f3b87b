import { writeOutput } from "../data/index.ts";
import { ConfigError, DataError } from "../errors.ts";
import { renderPlot } from "../experiments/index.ts";
import {
  type FitSweepOptions,
  fields,
  fitGroups,
  fitSweep,
  type GroupPlace,
  PoolingError,
  readSweep,
  type SweepTable,
} from "../scaling/index.ts";
import { groupsJson, sweepJson } from "./fitJson.ts";
import { parsePlace } from "./fitPlace.ts";
import { groupsReport, lawPlot, sweepReport } from "./fitReport.ts";
import { groupsText, sweepText } from "./fitText.ts";
import { out } from "./print.ts";
import { readyAnswer } from "./readyAnswer.ts";
import { explanationText, readSweepInput, type SweepInputFlags } from "./sweepInput.ts";

export interface FitFlags extends SweepInputFlags {
  readonly at: readonly string[];
  /** Columns whose values make groups. */
  readonly by?: readonly string[];
  readonly epsilon?: number;
  readonly confidence: number;
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly html?: string;
  readonly svg?: string;
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

/** Refuses to group by what is fitted. */
function checkBy(source: SweepTable): void {
  for (const field of ["learningRate", "batchSize", "loss"] as const) {
    const column = source.columns[field];
    if (column !== undefined && source.by.includes(column))
      throw new ConfigError(`--by ${column}: is the ${fields[field].spoken} itself`);
  }
}

/** Fits one sweep, and says with the command's options what to do if it's none. */
function fitOne(source: SweepTable, places: readonly GroupPlace[], options: FitSweepOptions) {
  const named = places.find(({ key }) => Object.keys(key).length > 0);
  if (named !== undefined)
    throw new ConfigError(
      `--at ${Object.keys(named.key)[0]}=…: needs --by ${Object.keys(named.key).join(",")}`,
    );
  try {
    return fitSweep(source.runs, {
      ...options,
      ...(places.length > 0 && { at: places.map(({ batchSize }) => batchSize) }),
    });
  } catch (error) {
    if (!(error instanceof PoolingError)) throw error;
    const { name } = error.effect;
    const factor = Number(error.effect.factor!.toPrecision(2));
    throw new DataError(
      `\`${name}\` has ${error.effect.values} values whose best learning rates differ ${factor} times: --by ${name}, or --where ${name}=…`,
      { cause: error },
    );
  }
}

/**
 * Reads a sweep's results and prints the best learning rate at each batch size, the laws that fit, and what they say at others; with
 * `--by`, one fit a group and one law of all. Writes reports if asked.
 *
 * @throws DataError if the file can't be read or used; ConfigError for an impossible option
 */
export async function fitCommand(files: readonly string[], flags: FitFlags): Promise<number> {
  const by = flags.by ?? [];
  const places = flags.at.map((text) => parsePlace(text, by));
  const source = await readSweepInput(files, flags, by);
  const name = files.length > 0 ? files.join(", ") : `sweep ${flags.sweep}`;
  // Before the fit: where it fails, this says why.
  if (flags.explain === true && flags.json !== true) out(`${explanationText(source)}\n`);
  const ready = readyAnswer(
    source,
    flags.confidence,
    places.map(({ batchSize }) => batchSize),
  );
  if (ready !== null) {
    if (flags.html !== undefined || flags.svg !== undefined)
      throw new ConfigError("--html, --svg: a table without runs has nothing to draw");
    for (const [option, value] of Object.entries({ by: flags.by, epsilon: flags.epsilon }))
      if (value !== undefined)
        throw new ConfigError(
          `--${option} ${value}: needs the runs; ${name} holds ${source.optima.length > 0 ? "best learning rates" : "steps to a target"}`,
        );
    out(flags.json === true ? JSON.stringify(ready.json) : ready.text);
    return 0;
  }
  const options = {
    confidence: flags.confidence,
    ...(flags.epsilon !== undefined && { epsilon: flags.epsilon }),
  };
  if (by.length === 0) {
    const fit = fitOne(source, places, options);
    const text = sweepText(fit, source);
    if (flags.html !== undefined) writeOutput(flags.html, sweepReport(fit, source, name, text));
    if (flags.svg !== undefined) writeOutput(flags.svg, renderPlot(lawPlot(fit)));
    out(flags.json === true ? sweepJson(fit, source, flags.explain === true) : text);
  } else {
    if (flags.svg !== undefined)
      throw new ConfigError("--svg: draws one sweep; with --by, --html draws each group");
    checkBy(source);
    const named = (column: string) => source.by[by.indexOf(column)] ?? column;
    const renamed = places.map(({ key, batchSize }) => ({
      key: Object.fromEntries(Object.entries(key).map(([column, value]) => [named(column), value])),
      batchSize,
    }));
    const fit = fitGroups(source.rows, source.by, { ...options, ...(renamed.length > 0 && { at: renamed }) });
    const text = groupsText(fit, source);
    if (flags.html !== undefined) writeOutput(flags.html, groupsReport(fit, name, text));
    out(flags.json === true ? groupsJson(fit, source, flags.explain === true) : text);
  }
  if (flags.json === true) return 0;
  if (flags.html !== undefined) out(`\nreport: ${flags.html}`);
  if (flags.svg !== undefined) out(`\npicture: ${flags.svg}`);
  return 0;
}
