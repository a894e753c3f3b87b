/** `1234567` → `1.23M`. */
export function compactNumber(value: number): string {
  for (const [size, suffix] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)}${suffix}`;
  }
  return String(Number(value.toPrecision(3)));
}
