// Position ids by the rows of `positionModels`, beside the functions of Transformers on the same document.
//
// node bench/modelPositions.ts [--python <python with transformers 5.24 and torch>] [--models <names with commas>]
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { modelPositions, type PositionModel, positionModels, type Segment } from "../src/position/index.ts";
import { figure } from "./figures.ts";

const { values: flags } = parseArgs({
  options: { python: { type: "string" }, models: { type: "string" } },
});
const [grids, side, text] = [200, 16, 244];
const rows = Object.entries(positionModels as Record<string, PositionModel>);

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** 100,000 tokens with 200 images; what a rule has no place for is left out. */
function documentOf({ part, rule, spatialMergeSize: merge }: PositionModel): Segment[] {
  if (rule.kind === "page") {
    return [
      { kind: "text", length: 2 },
      { kind: "image", height: 316, width: 316 },
    ];
  }
  const image: Segment =
    part === "vision"
      ? { kind: "image", height: 22, width: 24 }
      : { kind: "image", height: side * merge, width: side * merge };
  const pair: Segment[] = part === "vision" ? [image] : [{ kind: "text", length: text }, image];
  return Array.from({ length: grids }, () => pair).flat();
}

function time(name: string, document: readonly Segment[]): number {
  const start = performance.now();
  modelPositions(name, document);
  return performance.now() - start;
}

const names = flags.models?.split(",") ?? rows.map(([name]) => name);
console.log(
  `position ids of 100,000 tokens with 200 images, ms: median and least of 201 warm calls${flags.python === undefined ? "" : "; Transformers, median of 5; times as long"}`,
);
for (const [name, row] of rows) {
  if (!names.includes(name)) continue;
  const document = documentOf(row);
  for (let i = 0; i < 30; i++) time(name, document);
  const own = Array.from({ length: 201 }, () => time(name, document));
  let peer = "";
  if (flags.python !== undefined && !name.includes("@") && row.part === "decoder") {
    const script = new URL("./modelPositions.py", import.meta.url).pathname;
    const printed = execFileSync(flags.python, [script, name], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const theirs = median(printed.trim().split(" ").slice(1).map(Number));
    peer = `${theirs.toFixed(1).padStart(9)}${(theirs / median(own)).toFixed(0).padStart(7)}×`;
  }
  const numbers = [median(own), Math.min(...own)].map((value) => value.toFixed(2).padStart(7)).join("");
  figure(`${name}, ms`, median(own));
  console.log(`${name.padEnd(32)}${numbers}${peer}`);
}
