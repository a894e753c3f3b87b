import { readFileSync } from "node:fs";
import { tree } from "@jax-js/jax";
import {
  runCompiled,
  runWithJax,
  type TreeValue,
  withDevice,
} from "../src/compile/testing/compareWithJax.ts";
import { type NumberCase, numberCases } from "../src/compile/testing/numberCases.ts";
import { DataError } from "../src/errors.ts";

interface Reference {
  readonly versions: { readonly jax: string };
  readonly cases: Readonly<Record<string, Readonly<Record<"float32" | "float64", LeafText>>>>;
}

interface LeafText {
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** Four digits: machines differ in the last ones of float32. */
function shownNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞").replace("-", "−");
  return (Object.is(value, -0) ? "-0" : String(Number(value.toPrecision(4)))).replaceAll("-", "−");
}

function shownArray(shape: readonly number[], data: readonly number[]): string {
  const numbers = data.map(shownNumber).join(", ");
  return shape.length === 0 ? numbers : `[${numbers}]`;
}

function shownResult({ leaves }: TreeValue): string {
  const { shape, data } = leaves[0]!;
  return shownArray(shape, Array.from(data));
}

/** As Python writes numbers. */
function shownReference({ shape, data }: LeafText): string {
  return shownArray(
    shape,
    data.map((text) => Number(text.replace("inf", "Infinity"))),
  );
}

async function compiledResult(
  { run, byMachine = [] }: NumberCase,
  args: readonly unknown[],
): Promise<string> {
  try {
    const result = shownResult(await runCompiled(run, args));
    return byMachine.includes(result) ? `${byMachine.join(" or ")}, by machine` : result;
  } catch (error) {
    if (error instanceof DataError) return "DataError";
    throw error;
  }
}

/** The table of numbers that differ, from running its cases. */
export function numbersTable(): Promise<string> {
  const { versions, cases } = JSON.parse(
    readFileSync(new URL("../src/compile/testing/numberCases.reference.json", import.meta.url), "utf8"),
  ) as Reference;
  return withDevice("wasm", async () => {
    const rows: string[] = [];
    let before = "";
    for (const numberCase of numberCases) {
      const { inRotor } = numberCase;
      const args = numberCase.args();
      const eager = shownResult(runWithJax(numberCase.run, args));
      const compiled = await compiledResult(numberCase, args);
      tree.dispose(args as never);
      const { float32, float64 } = cases[numberCase.expression]!;
      const cells = [eager, compiled, shownReference(float32), shownReference(float64)];
      rows.push(
        `| ${[numberCase.expression, ...cells, inRotor === before ? "as above" : inRotor].join(" | ")} |`,
      );
      before = inRotor;
    }
    return `| expression | jax-js, eager | compiled | JAX ${versions.jax} | in float64 | Rotor's own functions |
|---|---|---|---|---|---|
${rows.join("\n")}`;
  });
}
