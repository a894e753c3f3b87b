import asciichart from "asciichart";
import { ownSequences } from "./print.ts";

export interface CurvePoint {
  readonly step: number;
  readonly value: number;
}

/** The mean of each of `count` stretches of a curve. */
function resample(points: readonly CurvePoint[], count: number): number[] {
  const columns = Math.min(count, points.length);
  return Array.from({ length: columns }, (_, i) => {
    const part = points.slice(
      Math.floor((i * points.length) / columns),
      Math.floor(((i + 1) * points.length) / columns),
    );
    return part.reduce((sum, { value }) => sum + value, 0) / part.length;
  });
}

/** Curves drawn with characters, one colour each; the axis below names the first and the last step. */
export function drawCurves(
  curves: readonly (readonly CurvePoint[])[],
  {
    width = 64,
    height = 12,
    colour = false,
    axis = "step",
  }: { width?: number; height?: number; colour?: boolean; axis?: string } = {},
): string {
  const drawn = curves.filter((points) => points.length > 0);
  if (drawn.length === 0) return "";
  const colours = [asciichart.blue, asciichart.green, asciichart.magenta, asciichart.cyan];
  const chart = asciichart.plot(
    drawn.map((points) => resample(points, width)),
    {
      height,
      format: (value: number) => value.toFixed(2).padStart(7),
      ...(colour ? { colors: drawn.map((_, i) => colours[i % colours.length]!) } : {}),
    },
  );
  const last = Math.max(...drawn.map((points) => points.at(-1)!.step));
  const begin = `${axis} ${drawn[0]![0]!.step}`;
  return `${ownSequences(chart)}\n${" ".repeat(9)}${begin}${`${last}`.padStart(width - begin.length)}`;
}
