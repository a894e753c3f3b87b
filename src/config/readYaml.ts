import { isScalar, parseDocument, visit } from "yaml";
import { ConfigError } from "../errors.ts";
import { isReservedName } from "../reservedNames.ts";

/** Deeper than any configuration: what goes on so is a mistake, or meant to exhaust the stack. */
const deepest = 64;

/**
 * Checks that a value is a tree of plain data, as JSON could hold it: nothing inside of itself, no names that reach into every object, not
 * too deep.
 *
 * @throws ConfigError that begins with `what`
 */
export function checkPlain(value: unknown, what: string): void {
  const enter = (node: unknown, path: readonly string[], above: readonly object[]): void => {
    if (typeof node !== "object" || node === null) return;
    const place = path.length === 0 ? "" : `${path.slice(0, 6).join(".")}: `;
    if (above.includes(node)) throw new ConfigError(`${what}: ${place}is inside of itself`);
    if (above.length >= deepest)
      throw new ConfigError(`${what}: ${place}has more than ${deepest} levels, expected fewer`);
    for (const [key, child] of Object.entries(node)) {
      const own = [...path, key];
      if (isReservedName(key)) throw new ConfigError(`${what}: unknown key ${own.join(".")}`);
      enter(child, own, [...above, node]);
    }
  };
  enter(value, [], []);
}

/** YAML says what isn't a number in words; a number in digits that is one no longer was too large. */
const isInWords = (source: string) => /[a-z]{3}/i.test(source);

/**
 * Plain data of YAML, and so of JSON.
 *
 * @throws ConfigError that begins with `what`, in one line: for what is no YAML, aliases of nothing or of what they are in, merges of what
 *   is no mapping, numbers too large, and {@link checkPlain}
 */
export function readYaml(text: string, what: string): unknown {
  const fail = (problem: string, cause?: unknown): never => {
    throw new ConfigError(`${what}: ${problem.split("\n")[0]!.replace(/:$/, "")}`, { cause });
  };
  let value: unknown;
  try {
    const document = parseDocument(text);
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) return fail(problem.message, problem);
    visit(document, {
      Scalar(_key, { value: number, source = "" }) {
        if (typeof number === "number" && !Number.isFinite(number) && !isInWords(source))
          fail(`${source.slice(0, 60)}: is too large for a number`);
      },
      Pair(_key, { key }) {
        // An alias, or bytes, may stand for such a thing.
        if (key !== null && (!isScalar(key) || typeof key.value === "object"))
          fail("has a key that is no name, but a list, a mapping, an alias or nothing");
        if (isScalar(key) && isReservedName(String(key.value))) fail(`unknown key ${String(key.value)}`);
      },
    });
    value = document.toJS();
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { name, message } = error as Error;
    return fail(name === "RangeError" ? "is too deep" : message, error);
  }
  checkPlain(value, what);
  return value;
}
