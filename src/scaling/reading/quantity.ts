import { isPlainNumber } from "./table.ts";

/** How numbers are written in a table: which sign parts the decimals. */
export type DecimalSign = "." | ",";

const multiples: Readonly<Record<string, number>> = {
  k: 1e3,
  m: 1e6,
  g: 1e9,
  b: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};
const superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

const grouped = (separator: string) => new RegExp(`^[+-]?[1-9]\\d{0,2}(?:${separator}\\d{3})+$`);
const groupedBy = {
  ",": grouped(","),
  ".": grouped("\\."),
  other: /^[+-]?[1-9]\d{0,2}(?:([ _'’\u00a0\u202f])\d{3})(?:\1\d{3})*(?:[.,]\d+)?$/,
};

/**
 * Reads a number as people write it: `16k` (1,000s; `16Ki` 1,024s, and so is a bare k of batch sizes if they say so), `16,384`, `1_024`,
 * `2^-11`, `2**10`, `10⁻³`, `3×10^-4`, `1/1024`, `98.2%` (as 98.2), `512 tokens`.
 *
 * @returns NaN if it isn't one
 *
 * @example
 * ```ts
 * ["16k", "16Ki", "2^-11", "1/1024", "3×10^-4"].map((text) => parseQuantity(text)); // => [16000, 16384, 0.00048828125, 0.0009765625, 3e-4]
 * ```
 */
export function parseQuantity(text: string, sign: DecimalSign = "."): number {
  let rest = text
    .trim()
    .replace(/[−–]/g, "-")
    .replace(
      /⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+/g,
      (power) => `^${[...power].map((c) => (c === "⁻" ? "-" : superscripts.indexOf(c))).join("")}`,
    );
  if (sign === "." && isPlainNumber(rest)) return Number(rest);
  rest = rest.replace(/\s*(%|tokens?|sequences?|samples?|seqs?|steps?|toks?)$/i, "");
  if (groupedBy.other.test(rest)) rest = rest.replace(/[ _'’\u00a0\u202f]/g, "");
  if (sign === ",") {
    if (groupedBy["."].test(rest)) return Number(rest.replaceAll(".", ""));
    if (rest.includes(".")) {
      if (!/^[+-]?\d{1,3}(\.\d{3})+,\d+$/.test(rest)) return Number.NaN;
      rest = rest.replaceAll(".", "");
    }
    rest = rest.replace(",", ".");
  } else if (groupedBy[","].test(rest) || /^[+-]?[1-9]\d{0,2}(,\d{3})+\.\d+$/.test(rest))
    rest = rest.replaceAll(",", "");
  if (isPlainNumber(rest)) return Number(rest);
  const suffixed = /^([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(k|m|g|b|t|ki|mi|gi|ti)$/i.exec(rest);
  if (suffixed !== null && isPlainNumber(suffixed[1]!))
    return Number(suffixed[1]) * multiples[suffixed[2]!.toLowerCase()]!;
  const power =
    /^(?:([+-]?[\d.]+(?:e[+-]?\d+)?)\s*(?:[*x×·⋅]|\\times)\s*)?(\d+(?:\.\d+)?|e)\s*(?:\^|\*\*)\s*[({]?([+-]?\d+(?:\.\d+)?)[)}]?$/i.exec(
      rest,
    );
  if (power !== null) {
    const base = power[2]!.toLowerCase() === "e" ? Math.E : Number(power[2]);
    return Number(power[1] ?? 1) * base ** Number(power[3]);
  }
  const ratio = /^([+-]?[\d.]+)\s*\/\s*([\d.]+)$/.exec(rest);
  if (ratio !== null && isPlainNumber(ratio[1]!) && isPlainNumber(ratio[2]!))
    return Number(ratio[1]) / Number(ratio[2]);
  return Number.NaN;
}

/** What texts with commas say about them: `","` or `"."` for the decimal sign, null if they leave it open. */
export function decimalSign(texts: Iterable<string>): DecimalSign | null {
  let comma = false;
  for (const text of texts) {
    const number = text.trim();
    if (/^[+-]?\d+\.\d+(e[+-]?\d+)?$/i.test(number) && !groupedBy["."].test(number)) return ".";
    if (/^[+-]?\d+,\d+\.\d+$/.test(number) || /^[+-]?\d{1,3}(,\d{3}){2,}$/.test(number)) return ".";
    if (/^[+-]?\d*,\d+(e[+-]?\d+)?$/i.test(number) && !groupedBy[","].test(number)) comma = true;
    if (/^[+-]?\d{1,3}(\.\d{3})+,\d+$/.test(number)) comma = true;
  }
  return comma ? "," : null;
}
