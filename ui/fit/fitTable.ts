import { groupsJson, sweepJson } from "../../src/cli/fitJson.ts";
import { fitSource } from "../../src/cli/fitSource.ts";
import { groupsText, sweepText } from "../../src/cli/fitText.ts";
import { readOptions } from "../../src/cli/readOptions.ts";
import { RotorError } from "../../src/errors.ts";
import { type GroupKey, readSweep, readTable, type SweepSource } from "../../src/scaling/index.ts";
import type { FitFlags } from "./fitFlags.ts";
import { type FitView, fitView } from "./fitView.ts";
import { openTables, type TableFile } from "./openTables.ts";

interface Answered {
  /** As `rotor fit` prints it. */
  readonly text: string;
  /** As `rotor fit --json` prints it. */
  readonly json: string;
  readonly warnings: readonly string[];
  /** Of the table. */
  readonly columns: readonly string[];
}

/** What a table says, as plain data. */
export type FitOutcome =
  | (Answered & { readonly kind: "sweep"; readonly fit: FitView })
  | (Answered & {
      readonly kind: "groups";
      readonly groups: readonly { readonly name: string; readonly fit: FitView }[];
    })
  /** A table that holds best learning rates or steps to a target already. */
  | (Answered & { readonly kind: "ready" })
  /** Why it can't be fitted, in one line. */
  | { readonly kind: "refused"; readonly problem: string; readonly columns: readonly string[] };

const nameOf = (key: GroupKey) =>
  Object.entries(key)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** Names of the columns, for a person who must say which is which. */
function columnsOf(sources: readonly SweepSource[]): string[] {
  try {
    return [
      ...new Set(
        sources.flatMap(({ content }) =>
          (typeof content === "object" && "columns" in content ? content : readTable(content)).columns.map(
            ({ name }) => name,
          ),
        ),
      ),
    ];
  } catch (error) {
    if (error instanceof RotorError) return [];
    throw error;
  }
}

function answered(sources: readonly SweepSource[], name: string, flags: FitFlags): FitOutcome {
  const source = readSweep(sources, readOptions(flags, flags.by));
  const columns = source.explanation.columns.map(({ column }) => column);
  const result = fitSource(source, name, flags);
  switch (result.kind) {
    case "ready": {
      const { text, json } = result.ready;
      return { kind: "ready", text, json: JSON.stringify(json), warnings: [], columns };
    }
    case "sweep": {
      const { fit } = result;
      return {
        kind: "sweep",
        fit: fitView(fit, source.rows),
        text: sweepText(fit, source),
        json: sweepJson(fit, source, false),
        warnings: [...source.warnings, ...fit.warnings],
        columns,
      };
    }
    case "groups": {
      const { fit } = result;
      return {
        kind: "groups",
        groups: fit.groups.map(({ key, fit: own, rows }) => ({ name: nameOf(key), fit: fitView(own, rows) })),
        text: groupsText(fit, source),
        json: groupsJson(fit, source, false),
        warnings: [...source.warnings, ...fit.warnings],
        columns,
      };
    }
  }
}

/** Reads tables of runs, whatever wrote them, and fits them as `rotor fit` does. Everything happens here: nothing is sent anywhere. */
export async function fitTable(files: readonly TableFile[], flags: FitFlags): Promise<FitOutcome> {
  let sources: readonly SweepSource[] = [];
  try {
    sources = await openTables(files);
    return answered(sources, files.map(({ name }) => name).join(", "), flags);
  } catch (error) {
    if (error instanceof RotorError)
      return { kind: "refused", problem: error.message, columns: columnsOf(sources) };
    throw error;
  }
}
