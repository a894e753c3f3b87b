import {
  type QuantizerCombination,
  type QuantizerMethod,
  quantizerCombinations,
  quantizerMethods,
} from "../src/quantize/index.ts";
import { optionsText, withTable } from "./optionsText.ts";

type Row = Pick<QuantizerMethod | QuantizerCombination, "name" | "codes" | "trained" | "options"> & {
  readonly list?: string;
};

/** The table of docs/methods/vector-quantization.md. */
export function quantizersTable(): string {
  const rows = Object.entries<Row>({ ...quantizerMethods, ...quantizerCombinations }).map(
    ([kind, { name, codes, trained, options, list }]) => {
      const parts = list === undefined ? [] : [`to be given: ${list}, two or more of the above`];
      const text = [...parts, ...(Object.keys(options).length === 0 ? [] : [optionsText(options)])].join(
        "; ",
      );
      return `| \`${kind}\` | \`${name}\` | ${codes} | ${trained} | ${text} |`;
    },
  );
  return `| \`kind\` | function | codes | trained | options and defaults, and whose |
|---|---|---|---|---|
${rows.join("\n")}`;
}

/** The page with its table as the rows are now. */
export const withQuantizersTable = (page: string) =>
  withTable(page, "quantizers", "docs:quantizers", quantizersTable());
