import { DataError } from "../../errors.ts";
import { readText } from "./readText.ts";
import type { DataRecord } from "./record.ts";

/**
 * Lines of JSONL, one after the other; empty ones are passed over.
 *
 * @throws DataError naming the line that isn't JSON
 */
export async function* jsonlRecords(
  file: string,
  fields: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<DataRecord> {
  const all = [...fields, ...optional];
  let rest = "";
  let number = 0;
  const parse = (line: string): DataRecord | null => {
    number++;
    if (line.trim() === "") return null;
    const where = `${file}: line ${number}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      const isMarked = line.startsWith("\ufeff");
      throw new DataError(
        isMarked
          ? `${where} begins with a byte-order mark (U+FEFF), expected JSON: leave it out`
          : `${where} is not JSON`,
        { cause: error },
      );
    }
    const row = value as Record<string, unknown> | null;
    return { where, key: `${file}:${number}`, values: all.map((field) => row?.[field]) };
  };
  for await (const chunk of readText(file)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const record = parse(line);
      if (record !== null) yield record;
    }
  }
  const record = parse(rest);
  if (record !== null) yield record;
}
