import type { FitQuestion } from "../../src/cli/fitSource.ts";
import { columnOptions, type ReadFlags } from "../../src/cli/readOptions.ts";
import { shellWord } from "../../src/cli/shellWord.ts";

/** What a fit is asked: the options of `rotor fit`. */
export interface FitFlags extends ReadFlags, FitQuestion {}

export const defaultFlags: FitFlags = { at: [], where: [], confidence: 0.9 };

/** The command that answers the same. */
export function commandOf(files: readonly string[], flags: FitFlags): string {
  const option = (name: string, value: string | number | undefined) =>
    value === undefined ? [] : [`${name} ${shellWord(String(value))}`];
  const list = (name: string, values: readonly string[] | undefined) =>
    option(name, values === undefined || values.length === 0 ? undefined : values.join(","));
  return [
    "rotor fit",
    ...files.map(shellWord),
    ...Object.values(columnOptions).flatMap(([name, flag]) => option(name, flags[flag])),
    ...flags.where.flatMap((condition) => option("--where", condition)),
    ...(flags.maximize === true ? ["--maximize"] : []),
    ...(flags.minimize === true ? ["--minimize"] : []),
    ...list("--finished", flags.finished),
    ...option("--history", flags.history),
    ...option("--run", flags.run),
    ...option("--decimal", flags.decimal),
    ...list("--by", flags.by),
    ...flags.at.flatMap((place) => option("--at", place)),
    ...option("--epsilon", flags.epsilon),
    ...(flags.confidence === defaultFlags.confidence ? [] : option("--confidence", flags.confidence)),
  ].join(" ");
}
