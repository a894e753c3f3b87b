import type { PlacedReport } from "./positionsReport.ts";

/** Signs of the segments: text is a dot, images and videos take letters in turn. */
export function segmentSigns(report: PlacedReport): string[] {
  let visual = 0;
  return report.segments.map(({ kind }) =>
    kind === "text" ? "·" : String.fromCharCode("A".charCodeAt(0) + (visual++ % 26)),
  );
}

/** Coordinates of a token on the plane of a drawing: to the right w, down h; a layout of one axis lies on the diagonal. */
export function planePoint(report: PlacedReport, position: readonly number[]): [right: number, down: number] {
  const at = (name: string) => position[Math.max(0, report.axes.indexOf(name))]!;
  return [at("w"), at("h")];
}

/** What the directions of the plane show. */
export function planeNames({ axes }: PlacedReport): [right: string, down: string] {
  return axes.length === 1 ? [axes[0]!, axes[0]!] : ["w", "h"];
}

/** Smallest and largest coordinate of a report, the same for both directions so that shapes stay. */
export function planeRange(report: PlacedReport): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { positions } of report.segments) {
    for (const position of positions) {
      const point = planePoint(report, position);
      low = Math.min(low, ...point);
      high = Math.max(high, ...point);
    }
  }
  return [low, high];
}

/**
 * The plane of h (down) and w (to the right) in characters: two columns and one line per position, or less where that is too large.
 *
 * @param size - most lines
 */
export function drawPlane(report: PlacedReport, size = 40): string {
  const [low, high] = planeRange(report);
  const perLine = Math.max(1, (high - low + 1) / size);
  const lines = Math.ceil((high - low + 1) / perLine);
  const cells = Array.from({ length: lines }, () => Array<string>(lines).fill(" "));
  const signs = segmentSigns(report);
  report.segments.forEach(({ positions }, index) => {
    for (const position of positions) {
      const [right, down] = planePoint(report, position).map((value) =>
        Math.min(lines - 1, Math.floor((value - low) / perLine)),
      ) as [number, number];
      cells[down]![right] = signs[index]!;
    }
  });
  const label = (value: number) => String(+value.toFixed(1)).padStart(6);
  const body = cells.map((row, i) => `${label(low + i * perLine)} │${row.join(" ").trimEnd()}`);
  const [right, down] = planeNames(report);
  return [`${"".padStart(6)} ┌${"─".repeat(2 * lines)} ${right}`, ...body, down.padStart(6)].join("\n");
}
