import { visibleLine } from "../visibleText.ts";

export { compactNumber } from "../compactNumber.ts";

/** Seconds as `1:02:03` or `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${padded(minutes)}:${padded(rest)}` : `${minutes}:${padded(rest)}`;
}

export function bytes(count: number): string {
  return count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(2)} GiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}

/** Rows as text with aligned columns; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const shown = rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell : visibleLine(cell))));
  const columns = Math.max(...shown.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...shown.map((row) => String(row[i] ?? "").length)),
  );
  return shown
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === "number" ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A number in few digits: `0.00123`, `2.9e-5`, `4096`. */
export function short(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : String(value);
  const rounded = Number(value.toPrecision(digits));
  const size = Math.abs(rounded);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return rounded.toExponential().replace("e+", "e");
  return String(rounded);
}

/** A batch size or another number that was set: whole ones exactly, as 1024 isn't 1020. */
export const exact = (value: number) =>
  Number.isInteger(value) && Math.abs(value) < 1e7 ? String(value) : short(value);
