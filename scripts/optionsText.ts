import { type OptimizerOption, type OptionTable, rangeOf } from "../src/options/index.ts";

/** As people write it: 0.001 is 1e-3. */
function shown(value: unknown): string {
  if (typeof value !== "number") return String(value);
  return value !== 0 && Math.abs(value) < 0.01 ? value.toExponential().replace(".0e", "e") : String(value);
}

/** What a required option may be. */
const needed = (name: string, { of }: Extract<OptimizerOption, { kind: "required" }>) =>
  of.kind === "list" ? `${name} (each ${rangeOf(of.each)})` : `${name} (${rangeOf(of)})`;

/** `b1 0.9, b2 0.999 (whose)`: the defaults of a table, options of one source together, after those that have to be given. */
export function optionsText(table: OptionTable): string {
  const bySource = new Map<string, string[]>();
  const groups: string[] = [];
  const given: string[] = [];
  for (const [name, option] of Object.entries(table)) {
    if (option.kind === "group") groups.push(`\`${name}\`: ${optionsText(option.table)}`);
    else if (option.kind === "required") given.push(needed(name, option));
    else {
      const value = option.kind === "computed" ? option.text : shown(option.default);
      bySource.set(option.source, [...(bySource.get(option.source) ?? []), `${name} ${value}`]);
    }
  }
  const own = [...bySource].map(([source, options]) => `${options.join(", ")} (${source})`);
  return [...(given.length === 0 ? [] : [`to be given: ${given.join(", ")}`]), ...own, ...groups].join("; ");
}

/** A page with the text between two marks replaced. */
export function withTable(page: string, name: string, command: string, table: string): string {
  const [begin, end] = [`<!-- ${name}: written by npm run ${command} -->`, `<!-- /${name} -->`];
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${begin}`);
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}
