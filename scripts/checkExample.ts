// Compares what examples of docstrings give with what they say.
import { numpy as np } from "@jax-js/jax";
import ts from "typescript";

let count = 0;
let failed = 0;

/** An array that is looked at and used afterwards. */
export const kept = <T>(value: T): T => (value instanceof np.Array ? (value.ref as T) : value);

/** Plain values: arrays of jax-js are consumed. */
function plain(value: unknown): unknown {
  if (value instanceof np.Array) return value.js();
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array, Number);
  if (value instanceof Set) return [...value].map(plain);
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  return value;
}

/** Whether a value is what a literal says, numbers to its digits. */
function agrees(value: unknown, node: ts.Expression): boolean {
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken)
    return typeof value === "number" && agrees(-value, node.operand);
  if (ts.isNumericLiteral(node)) {
    const text = node.getText();
    const [, , decimals, exponent] = /^(\d+)(?:\.(\d*))?(?:e([+-]?\d+))?$/.exec(text) ?? [];
    const isExact = decimals === undefined && exponent === undefined;
    const digit = 10 ** (Number(exponent ?? 0) - (decimals?.length ?? 0));
    return typeof value === "number" && Math.abs(value - Number(text)) <= (isExact ? 0 : 0.5001 * digit);
  }
  if (ts.isStringLiteralLike(node)) return value === node.text;
  if (ts.isArrayLiteralExpression(node))
    return (
      Array.isArray(value) &&
      value.length === node.elements.length &&
      node.elements.every((each, i) => agrees(value[i], each))
    );
  if (ts.isObjectLiteralExpression(node)) {
    const entries = node.properties.map((each) => {
      if (!ts.isPropertyAssignment(each)) throw new Error(`${each.getText()}: expected a name and a value`);
      const name = ts.isStringLiteral(each.name) ? each.name.text : each.name.getText();
      return [name, each.initializer] as const;
    });
    return (
      typeof value === "object" &&
      value !== null &&
      Object.keys(value).length === entries.length &&
      entries.every(([name, each]) => agrees((value as Record<string, unknown>)[name], each))
    );
  }
  const words: Record<string, unknown> = {
    true: true,
    false: false,
    null: null,
    undefined,
    NaN: Number.NaN,
    Infinity: Number.POSITIVE_INFINITY,
  };
  const word = node.getText();
  if (Object.hasOwn(words, word)) return Object.is(value, words[word]);
  throw new Error(`${word}: expected a literal`);
}

/** @throws Error if `value` isn't what `said`, a literal, says */
export function check(value: unknown, said: string, place: string): void {
  const source = ts.createSourceFile("said.ts", `(${said})`, ts.ScriptTarget.Latest, true);
  const statement = source.statements[0]! as ts.ExpressionStatement;
  const shown = plain(value);
  if (!agrees(shown, (statement.expression as ts.ParenthesizedExpression).expression))
    throw new Error(`${place}: says ${said}, gives ${JSON.stringify(shown)}`);
}

/** Runs one example; the others run even if it fails. */
export async function run(name: string, example: () => Promise<void>): Promise<void> {
  count++;
  const begin = performance.now();
  try {
    await example();
  } catch (error) {
    failed++;
    console.log(`${name}: ${(error as Error).stack}`);
  }
  const ms = performance.now() - begin;
  if (process.env.EXAMPLE_TIMES !== undefined && ms > 50) console.log(`${name}: ${ms.toFixed(0)} ms`);
}

export function summarize(): void {
  console.log(`${count} examples, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
