import { placementOf } from "../compile/index.ts";
import { loadBaseConfig } from "../config/index.ts";
import { writeOutput } from "../data/index.ts";
import { ConfigError } from "../errors.ts";
import type { Plot } from "../experiments/index.ts";
import {
  type CoordinateCheck,
  type CoordinateKind,
  type CoordinateRow,
  coordinateCheck,
  coordinateTolerance,
} from "../measure/index.ts";
import { short, table } from "./format.ts";
import type { PlacementFlags } from "./placementFor.ts";
import { clearLine, out, print } from "./print.ts";
import { style } from "./style.ts";

export interface CoordinatesFlags extends PlacementFlags {
  readonly set: readonly string[];
  readonly widths?: readonly number[];
  readonly grow?: "heads" | "head-size";
  readonly steps?: number;
  readonly seeds?: number;
  readonly svg?: string;
  readonly json?: boolean;
  readonly home: string;
}

const titles: Readonly<Record<CoordinateKind, string>> = {
  start: "Activations before the first step, root mean square; they may shrink with the width",
  change: "How far they move on other data",
  update:
    "How far parameters move: ‖ΔW‖₂·√(fanIn/fanOut) of matrices, root mean square of tables and vectors",
};

function kindTable(check: CoordinateCheck, kind: CoordinateKind): string {
  const colour = { holds: style.green, fails: style.red, open: style.yellow };
  const rows = check.rows.filter((row) => row.kind === kind);
  const body = rows.map(({ name, means, slope, error, verdict }) => [
    colour[verdict](verdict),
    name,
    ...means.map((mean) => short(mean)),
    error === null ? slope.toFixed(2) : `${slope.toFixed(2)} ± ${error.toFixed(2)}`,
  ]);
  return `${titles[kind]}\n\n${table([["", "", ...check.widths.map((width) => `width ${width}`), "slope"], ...body])}`;
}

/** What a row that isn't flat is likely to come from. */
function cause({ kind, name, slope }: CoordinateRow): string {
  const way = slope > 0 ? "grows" : "vanishes";
  if (kind === "update")
    return `${name}: its learning rate ${slope > 0 ? "is too large" : "shrinks too fast"}`;
  if (name === "logits")
    return `logits: what the head makes of the width ${way}; its initial size and learning rate go as 1/width`;
  if (name.startsWith("scores"))
    return `${name}: queries times keys ${way}; where heads grow, scores go as 1/headDim`;
  return `${name} ${way}: initial sizes or learning rates of what makes it`;
}

function conclusion(check: CoordinateCheck): string {
  const { rows, verdict, parametrization, optimizer, widths } = check;
  const range = `from width ${widths[0]} to ${widths.at(-1)}`;
  const failed = rows.filter((row) => row.verdict === "fails");
  const what = `${optimizer} under the ${parametrization} parametrization`;
  if (verdict === "holds")
    return style.green(
      `${what}: nothing grows or vanishes ${range}; a learning rate tuned at one width can be tried at the others.`,
    );
  if (verdict === "open" && rows.some(({ error }) => error === null))
    return style.yellow(
      `${what}: one model at each of two widths gives slopes without an error, and so no verdict; expected a third of --widths, or --seeds 2.`,
    );
  if (verdict === "open")
    return style.yellow(
      `${what}: no clear growth ${range}, but slopes beyond ${coordinateTolerance} within their error; more --seeds or --widths would settle them.`,
    );
  // The worst first: others follow from it.
  const worst = [...failed].sort((a, b) => Math.abs(b.slope) - Math.abs(a.slope)).slice(0, 3);
  const remedy =
    parametrization === "standard"
      ? " That is how the standard parametrization is: expected with model.parametrization mup or spectral is none of it."
      : "";
  return style.red(
    `${what}: ${failed.length} of ${rows.length} sizes go with the width ${range}. ${worst.map(cause).join("; ")}.${remedy}`,
  );
}

/** Sizes at each width as multiples of those at the smallest. */
function plotOf(check: CoordinateCheck): Plot {
  return {
    kind: "plot",
    file: "coordinates",
    title: `${check.optimizer}, ${check.parametrization}: how far things move, by width`,
    x: { label: "width", scale: "log" },
    y: { label: "multiple of the smallest width's", scale: "log" },
    series: check.rows
      .filter(({ kind }) => kind !== "start")
      .map(({ name, kind, means }) => ({
        name: kind === "update" ? `Δ ${name}` : name,
        points: check.widths.map((x, i) => ({ x, y: means[i]! / means[0]! })),
      })),
  };
}

/**
 * `rotor coordinates`: whether activations and updates stay of one size at every width.
 *
 * @returns 1 if something grows or vanishes with the width, else 0
 * @throws ConfigError, DataError for what can't be used
 */
export async function coordinatesCommand(reference: string, flags: CoordinatesFlags): Promise<number> {
  const config = await loadBaseConfig(reference, flags.set);
  if (config.task !== "language")
    throw new ConfigError(`config "${config.name}": task ${config.task}: expected a language model here`);
  const isLive = process.stderr.isTTY === true;
  const check = await coordinateCheck({
    config,
    home: flags.home,
    ...(flags.widths !== undefined && { widths: flags.widths }),
    ...(flags.grow !== undefined && { grow: flags.grow }),
    ...(flags.steps !== undefined && { steps: flags.steps }),
    ...(flags.seeds !== undefined && { seeds: flags.seeds }),
    ...placementOf(flags),
    onProgress(done, total) {
      if (isLive) print(`${clearLine}${done} of ${total} models`, process.stderr);
    },
  });
  if (isLive) print(clearLine, process.stderr);
  if (flags.svg !== undefined) {
    // Loaded only here: the plots' library takes time to load.
    const { renderPlot } = await import("../experiments/index.ts");
    writeOutput(flags.svg, renderPlot(plotOf(check)));
  }
  if (flags.json === true) out(JSON.stringify({ version: 1, ...check }));
  else {
    const kinds: readonly CoordinateKind[] = ["start", "change", "update"];
    out([...kinds.map((kind) => kindTable(check, kind)), conclusion(check)].join("\n\n"));
    if (flags.svg !== undefined) out(`\npicture: ${flags.svg}`);
  }
  return check.verdict === "fails" ? 1 : 0;
}
