import { setOwn } from "../reservedNames.ts";
import { type GroupPlace, parseQuantity } from "../scaling/index.ts";
import { UsageError } from "./usageError.ts";

/** Words for the batch size in a place. */
const batchNames = new Set(["batch", "b", "bs", "batch_size", "batchsize"]);

/**
 * Reads `512`, `16k` or `N=1e9,D=2e10,batch=512` as a place to predict at.
 *
 * @throws UsageError for anything else
 */
export function parsePlace(text: string, by: readonly string[]): GroupPlace {
  const fail = (): never => {
    const example = [...by.map((name) => `${name}=…`), "batch=512"].join(",");
    throw new UsageError(
      `--at ${text}: expected a positive batch size${by.length > 0 ? `, alone or as in ${example}` : ""}`,
    );
  };
  const parts = text.split(",").map((part) => part.trim());
  const positive = (value: string): number => {
    const number = parseQuantity(value, ".");
    return number > 0 && Number.isFinite(number) ? number : fail();
  };
  if (!text.includes("=")) return { key: {}, batchSize: positive(text) };
  const key: Record<string, number | string> = {};
  let batchSize: number | null = null;
  for (const part of parts) {
    const at = part.indexOf("=");
    if (at < 1 || at === part.length - 1) return fail();
    const [name, value] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (!by.includes(name) && batchNames.has(name.toLowerCase())) batchSize = positive(value);
    else {
      const number = parseQuantity(value, ".");
      setOwn(key, name, Number.isNaN(number) ? value : number);
    }
  }
  return batchSize === null ? fail() : { key, batchSize };
}
