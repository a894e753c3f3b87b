import { useRef } from "preact/hooks";
import { groundColours, sequentialColour } from "../../src/palette.ts";
import { number } from "../core/format.ts";
import { useSettings } from "../core/settings.ts";
import { PlotFrame } from "./plotFrame.tsx";
import { saveElement } from "./saveElement.ts";

export interface ParallelAxis {
  readonly name: string;
  readonly isLog: boolean;
}

export interface ParallelLine {
  readonly key: string;
  readonly label: string;
  /** By the axes; null where there is nothing. */
  readonly values: readonly (number | string | null)[];
  /** 0 is best, 1 worst; null for no result. */
  readonly rank: number | null;
}

/** One upright axis for each option, one line for each run. */
export function ParallelPlot({
  title,
  axes,
  lines,
}: {
  readonly title: string;
  readonly axes: readonly ParallelAxis[];
  readonly lines: readonly ParallelLine[];
}) {
  const { ground } = useSettings();
  const picture = useRef<SVGSVGElement>(null);
  const colours = groundColours[ground];
  const [width, height, top, bottom, side] = [Math.max(420, 150 * axes.length), 300, 30, 14, 80];
  const x = (axis: number) => side + ((width - 2 * side) * axis) / Math.max(1, axes.length - 1);
  const scales = axes.map(({ isLog }, axis) => {
    const values = lines.flatMap((line) => line.values[axis] ?? []);
    const numbers = values.filter(
      (value): value is number => typeof value === "number" && (!isLog || value > 0),
    );
    if (numbers.length === values.length && numbers.length > 0) {
      const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
      const share = (value: number | string) =>
        high === low
          ? 0.5
          : isLog
            ? Math.log(Number(value) / low) / Math.log(high / low)
            : (Number(value) - low) / (high - low);
      return { share, labels: [...new Set([low, high])] as (number | string)[] };
    }
    const words = [...new Set(values.map(String))].sort();
    return {
      share: (value: number | string) =>
        words.length < 2 ? 0.5 : words.indexOf(String(value)) / (words.length - 1),
      labels: words.slice(0, 12) as (number | string)[],
    };
  });
  const y = (axis: number, value: number | string) =>
    top + (height - top - bottom) * (1 - scales[axis]!.share(value));
  return (
    <PlotFrame title={title} isWide exportSvg={() => saveElement(title, picture.current!, colours.ground)}>
      <svg
        ref={picture}
        class="picture"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={title}
        font-family="system-ui, sans-serif"
        font-size="11"
      >
        <title>{title}</title>
        {lines
          .toSorted((a, b) => (b.rank ?? 2) - (a.rank ?? 2))
          .map((line) => {
            const points = line.values.flatMap((value, axis) =>
              value === null ? [] : [`${x(axis)},${y(axis, value)}`],
            );
            return (
              <polyline
                key={line.key}
                points={points.join(" ")}
                fill="none"
                stroke={line.rank === null ? colours.quiet : sequentialColour(1 - line.rank)}
                stroke-width={line.rank === 0 ? 3 : 1.5}
                stroke-dasharray={line.rank === null ? "3 4" : undefined}
              >
                <title>{line.label}</title>
              </polyline>
            );
          })}
        {axes.map(({ name }, axis) => (
          <g key={name}>
            <path d={`M${x(axis)} ${top}V${height - bottom}`} stroke={colours.text} />
            <text x={x(axis)} y={14} text-anchor="middle" fill={colours.text} font-weight="600">
              {name.split(".").at(-1)}
            </text>
            {scales[axis]!.labels.map((label) => (
              <text key={String(label)} x={x(axis) + 5} y={y(axis, label) + 4} fill={colours.text}>
                {typeof label === "number" ? number(label) : label.slice(0, 18)}
              </text>
            ))}
          </g>
        ))}
      </svg>
    </PlotFrame>
  );
}
